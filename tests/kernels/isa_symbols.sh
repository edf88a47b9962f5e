#!/bin/sh
# Rule two of kernels/cpu/isa.h: the objects compiled for an instruction set define no function that
# the linker could pick for the whole program, that is no weak symbol, unless it is their own.
#   isa_symbols.sh NM ISA OBJECT...
nm=$1 isa=$2
shift 2
symbols=$("$nm" -C --defined-only "$@") || exit 1
if ! echo "$symbols" | grep -q " T handgrad::cpu::$isa::"; then
    echo "these objects hold no kernels of $isa: $*"
    exit 1
fi
shared=$(echo "$symbols" | grep ' W ' | grep -v "handgrad::cpu::$isa::" | cut -d' ' -f3- | sort -u)
if [ -n "$shared" ]; then
    printf 'weak functions outside of handgrad::cpu::%s, compiled for %s:\n%s\n' "$isa" "$isa" "$shared"
    exit 1
fi
