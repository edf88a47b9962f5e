#!/bin/sh
# Installs what handgrad is built with. Does nothing when all of it is there.
#
#   tools/setup.sh          compiler, CMake, libraries, gnuplot, Fashion-MNIST
#   tools/setup.sh --dev    also what formats and checks the code and makes the documentation
#
# On Debian and Ubuntu packages come from apt-get, as root or by sudo; elsewhere the script says
# what to install. It fails only where something that the build needs is still missing.
set -eu
cd "$(dirname "$0")/.."

usage() {
    sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' tools/setup.sh
}

dev=no
for argument in "$@"; do
    case $argument in
        --dev) dev=yes ;;
        -h | --help) usage && exit 0 ;;
        *) echo "setup.sh: unknown option '$argument'" >&2 && usage >&2 && exit 1 ;;
    esac
done

# Debian's package, then what shows that it is there: a program, a header, a file, or a module of
# Python.
required="
make                   program make
cmake                  program cmake
ninja-build            program ninja
g++                    program g++
python3                program python3
zlib1g-dev             header  zlib.h
libzip-dev             header  zip.h
libstb-dev             header  stb/stb_image_write.h
libcli11-dev           header  CLI/CLI.hpp
nlohmann-json3-dev     header  nlohmann/json.hpp
catch2                 header  catch2
libbenchmark-dev       header  benchmark/benchmark.h
"
# Without these, make data fails, building again is slower, lessons draw no plots, Fashion-MNIST is
# absent.
optional="
ca-certificates        file    /etc/ssl/certs/ca-certificates.crt
ccache                 program ccache
gnuplot-nox            program gnuplot
dataset-fashion-mnist  file    /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
"
if [ $dev = yes ]; then
    required="$required
git                    program git
clang-format           program clang-format
clang-tidy             program clang-tidy
doxygen                program doxygen
"
    optional="$optional
shellcheck             program shellcheck
python3-pip            module  pip
"
fi

present() { # kind name
    case $1 in
        program) command -v "$2" > /dev/null ;;
        header) [ -e "/usr/include/$2" ] || [ -e "/usr/local/include/$2" ] ||
            [ -e "/opt/homebrew/include/$2" ] ;;
        file) [ -e "$2" ] ;;
        module) python3 -c "import $2" 2> /dev/null ;;
    esac
}

# The packages of a list that are missing, on one line.
missing_of() {
    echo "$1" | while read -r package kind name; do
        if [ -n "$package" ] && ! present "$kind" "$name"; then printf '%s ' "$package"; fi
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The packages of the arguments that apt knows, on one line.
known_to_apt() {
    for package in "$@"; do
        if apt-cache policy "$package" | grep -q 'Candidate: [^(]'; then printf '%s ' "$package"; fi
    done
}

# shellcheck disable=SC2086  # $wanted and $packages are lists of words
install_by_apt() {
    # Where only optional packages are missing, the lists at hand say whether this system has them.
    if [ -n "$needed" ] || ! ls /var/lib/apt/lists/*Packages* > /dev/null 2>&1; then
        as_root apt-get update -qq
    fi
    packages="$needed$(known_to_apt $wanted)"
    [ -n "$packages" ] || return 0
    echo "setup.sh: installing $packages"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $packages > /dev/null
}

needed=$(missing_of "$required")
wanted=$(missing_of "$optional")

if [ -n "$needed$wanted" ]; then
    if ! command -v apt-get > /dev/null; then
        echo "setup.sh: this is neither Debian nor Ubuntu; please install what these packages hold:"
        [ -z "$needed" ] || echo "  needed:   $needed"
        [ -z "$wanted" ] || echo "  optional: $wanted"
    elif [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
        echo "setup.sh: not root, and there is no sudo; please run as root:"
        echo "  apt-get update && apt-get install --no-install-recommends $needed$wanted"
    elif ! install_by_apt; then
        echo "setup.sh: apt-get failed; its messages are above" >&2
    fi
    needed=$(missing_of "$required")
    wanted=$(missing_of "$optional")
    [ -z "$wanted" ] || echo "setup.sh: going on without ${wanted% }"
fi
if [ -n "$needed" ]; then
    echo "setup.sh: still missing: ${needed% }" >&2
    exit 1
fi

# A newer clang-tidy from PyPI, which make lint prefers: Debian 12's takes more than twice as long,
# since it walks through the headers of all libraries.
tidy=23.1.4
if [ $dev = yes ] && ! [ -d "build/tools/clang_tidy-$tidy.dist-info" ]; then
    python3 -m pip install -qq --disable-pip-version-check --upgrade --target build/tools \
        "clang-tidy==$tidy" || echo "setup.sh: going on with $(command -v clang-tidy)"
fi

oldest=3.25
version=$(cmake --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')
if [ "$(printf '%s\n' $oldest "$version" | sort -V | head -n 1)" != $oldest ]; then
    {
        echo "setup.sh: CMake is too old"
        echo "  got:   $version"
        echo "  needs: $oldest or newer"
        echo "  hint:  pip install cmake, or snap install --classic cmake, or https://apt.kitware.com"
    } >&2
    exit 1
fi
