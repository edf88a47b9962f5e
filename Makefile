# Short names for what is done with handgrad; `make help` lists them.
#
# The work itself is CMake's: CMakePresets.json says what build/release, build/asan, build/tsan and
# build/cuda are. A target that finds its build missing runs tools/setup.sh first.

ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test bench bench-gemm bench-threads lesson lessons known_lesson report gradcheck data format \
	lint docs cuda test-gpu asan tsan clean
MAKEFLAGS += --no-print-directory

cores := $(shell getconf _NPROCESSORS_ONLN)
lessons := $(notdir $(patsubst %/main.cpp,%,$(sort $(wildcard lessons/*/main.cpp))))
# N=7, N=07 and N=07_name all mean lessons/07_name.
lesson = $(firstword $(foreach n,$(N) 0$(N),$(filter $(n) $(n)_%,$(lessons))))
device_lessons = $(foreach lesson,$(lessons),\
	$(shell grep -q 'any_device = true' lessons/$(lesson)/main.cpp && echo $(lesson)))
folders := src kernels lessons tests bench tools
sources = find $(folders) -name '*.h' -o -name '*.cpp' -o -name '*.cu'
headers = $(shell find $(folders) -name '*.h')
tidied = $(shell find $(folders) -name '*.cpp' -not -path 'tests/install/*' | \
	sed 's|\(.*\).cpp|build/lint/\1.ok|')
# After its own headers it looks for GCC's, which have omp.h.
clang_tidy = $(or $(wildcard build/tools/clang_tidy/data/bin/clang-tidy),clang-tidy) \
	-p build/release --quiet --extra-arg=-idirafter$(shell c++ -print-file-name=include)
scripts := .ci/run tools/setup.sh tests/kernels/isa_symbols.sh
nvcc := $(or $(CUDACXX),$(shell command -v nvcc),$(wildcard /usr/local/cuda/bin/nvcc))
sanitizer := $(or $(shell command -v compute-sanitizer),$(wildcard $(dir $(nvcc))compute-sanitizer))

help: ## this list
	@echo 'make TARGET [ARGS="words for the program"]'
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r target text; do printf '  %-13s %s\n' "$$target" "$$text"; done

setup: ## install what the build needs
	@tools/setup.sh

build/%/build.ninja:
	@tools/setup.sh
	@cmake --preset $*

run: N = 10
run: lesson ## train a network: lesson 10, the training loop

test: build/release/build.ninja ## build everything and run the tests
	@cmake --build build/release
	@ctest --preset release -j$(cores) $(ARGS)

bench: build/release/build.ninja ## run the benchmarks, but for those of products, threads and GPUs
	@cmake --build build/release --target bench/all
	@for program in $(filter-out %/bench_gemm %/bench_threads %/bench_device_step,$(patsubst bench/%.cpp,build/release/bench/bench_%,\
		$(sort $(wildcard bench/*.cpp)))); do $$program $(ARGS) || exit; done

bench-gemm: build/release/build.ninja ## run the matrix product beside the BLASes that are installed
	@cmake --build build/release --target bench_gemm
	@build/release/bench/bench_gemm $(ARGS)

bench-threads: build/release/build.ninja ## see that no kernel is slower with threads than without
	@cmake --build build/release --target bench_threads
	@build/release/bench/bench_threads $(ARGS)

# The build that has the device which ARGS ask for.
lesson_build = build/$(if $(and $(nvcc),$(findstring --device cuda,$(subst =, ,$(ARGS)))),cuda,release)

lesson: known_lesson ## run one lesson: make lesson N=3 ARGS="--help"
	@CUDACXX="$(nvcc)" $(MAKE) -s $(lesson_build)/build.ninja
	@cmake --build $(lesson_build) --target lesson_$(lesson)
	@$(lesson_build)/lessons/lesson_$(lesson) $(ARGS)

known_lesson:
	@if [ -z "$(lesson)" ]; then \
		echo "make lesson: there is no lesson N=$(N)"; \
		printf '  N is one of:\n'; printf '    %s\n' $(lessons); exit 1; \
	fi >&2

lessons: build/release/build.ninja ## run every lesson with --quick
	@cmake --build build/release --target lessons/all
	@failed=; times=; for lesson in $(lessons); do \
		echo "==== $$lesson"; start=$$(date +%s%N); \
		build/release/lessons/lesson_$$lesson --quick $(ARGS) || failed="$$failed $$lesson"; \
		times="$$times$$(awk "BEGIN {printf \"%6.1f s  %s\", ($$(date +%s%N) - $$start) / 1e9, \"$$lesson\"}")\n"; \
	done; \
	printf "\n==== times\n$$times"; \
	if [ -n "$$failed" ]; then echo "make lessons: these failed:$$failed" >&2; exit 1; fi

report: build/release/build.ninja ## a page of links to the reports of all lessons run so far
	@cmake --build build/release --target report_index
	@build/release/report_index $(ARGS)

gradcheck: build/release/build.ninja ## check every gradient by hand against autograd and finite differences
	@cmake --build build/release --target gradcheck
	@build/release/gradcheck $(ARGS)

data: ## download MNIST, Fashion-MNIST and the sign-language digits to data/downloads
	@command -v python3 > /dev/null || tools/setup.sh
	@python3 tools/download_data.py $(ARGS)

format: ## lay out the C++ code (clang-format)
	@tools/setup.sh --dev
	@$(sources) | xargs clang-format $(or $(ARGS),-i)

lint: build/release/build.ninja ## check layout, and look for mistakes (clang-tidy, shellcheck)
	@tools/setup.sh --dev
	@$(sources) | xargs clang-format --dry-run -Werror
	@if command -v shellcheck > /dev/null; then shellcheck $(scripts); fi
	@$(MAKE) -s -k -j$(cores) --output-sync $(tidied)

build/lint/%.ok: %.cpp .clang-tidy $(headers)
	@echo "clang-tidy $<"
	@$(clang_tidy) $< 2> /dev/null
	@mkdir -p $(@D)
	@touch $@

docs: ## the reference of all classes, to build/docs/html (doxygen)
	@tools/setup.sh --dev
	@doxygen tools/Doxyfile
	@echo "build/docs/html/index.html"

cuda: ## build with the CUDA device, to build/cuda
	@if [ -z "$(nvcc)" ]; then \
		echo "make cuda: nvcc was not found"; \
		echo "  needs: the CUDA Toolkit, version 12 or newer, its bin folder in PATH"; \
		echo "  hint:  https://developer.nvidia.com/cuda-downloads"; exit 1; \
	fi >&2
	@CUDACXX="$(nvcc)" $(MAKE) -s build/cuda/build.ninja
	@cmake --build build/cuda

test-gpu: cuda ## run the device tests on a real GPU, under compute-sanitizer where there is one
	@nvidia-smi -L || { echo "make test-gpu: no NVIDIA GPU found; make test runs the same tests on the emulator" >&2; exit 1; }
	@build/cuda/tests/handgrad_tests "[kernels],[emulated]" $(ARGS)
	@for tool in $(if $(sanitizer),memcheck racecheck synccheck); do \
		$(sanitizer) --tool $$tool --error-exitcode 1 \
			build/cuda/tests/handgrad_tests "[kernels],[emulated]" $(ARGS) || exit; \
	done
	@for lesson in $(device_lessons); do \
		build/cuda/lessons/lesson_$$lesson --device cuda --quick --out build/cuda/out || exit; \
	done

asan: build/asan/build.ninja ## run the tests under AddressSanitizer and UBSanitizer
	@cmake --build build/asan --target tests/all lessons/all
	@ctest --preset asan -j$(cores) $(ARGS)

tsan: build/tsan/build.ninja ## run the tests under ThreadSanitizer
	@cmake --build build/tsan --target tests/all lessons/all
	@ctest --preset tsan -j$(cores) $(ARGS)

clean: ## remove build/
	rm -rf build
