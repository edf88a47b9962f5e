#include "kernels/emulator/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#if defined(HANDGRAD_BACKTRACE) && __has_include(<backtrace.h>)
    #include <backtrace.h>
    #define HANDGRAD_LINES 1
#endif

namespace handgrad::emulator {
namespace {

/// As the compiler writes the namespace handgrad::emulated, in which all emulated kernels stand.
constexpr const char* kernels_namespace = "8handgrad8emulated";

/// By how much the program was moved when it was loaded.
std::uintptr_t load_offset() {
    std::uintptr_t offset = 0;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* result) {
            *static_cast<std::uintptr_t*>(result) = info->dlpi_addr;
            return 1;  // the first one is the program
        },
        &offset);
    return offset;
}

std::string demangled(const char* name) {
    int status = 0;
    char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
    std::string result = text != nullptr ? text : name;
    std::free(text);
    return result;
}

/// The last part of a qualified name without its parameters:
/// "void a::(anonymous namespace)::f<b::C>(int)" becomes "f<b::C>".
std::string last_part(std::string_view name) {
    int depth = 0;
    std::size_t begin = 0, end = name.size();
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name.substr(i).starts_with("(anonymous namespace)")) {
            i += std::strlen("(anonymous namespace)") - 1;
        } else if (name[i] == '<') {
            ++depth;
        } else if (name[i] == '>') {
            --depth;
        } else if (depth == 0 && name[i] == '(') {
            const std::size_t inner = name.rfind("::");
            if (inner != std::string_view::npos && inner > name.rfind(')')) {
                begin = inner + 2;  // a variable of this function
            } else {
                end = i;
            }
            break;
        } else if (depth == 0 && (name[i] == ' ' || name.substr(i).starts_with("::"))) {
            begin = i + (name[i] == ' ' ? 1 : 2);
        }
    }
    return std::string(name.substr(begin, end - begin));
}

/// A kernel made of a function given to it goes by the name of whoever wrote that function:
/// "each_kernel<a::fill<float>(float*, long)::{lambda(long)#1}>" becomes "fill<float>".
std::string short_name(const std::string& kernel) {
    const std::size_t lambda = kernel.find("::{lambda");
    if (lambda == std::string::npos) return last_part(kernel);
    // Back over the parameters of the function, then over its template arguments.
    std::size_t end = lambda, begin = 0;
    const auto back_over = [&](char open, char close) {
        int depth = 0;
        std::size_t i = end;
        while (i > 0) {
            --i;
            if (kernel[i] == close) ++depth;
            if (kernel[i] == open && --depth == 0) break;
        }
        return i;
    };
    if (kernel[end - 1] == ')') end = back_over('(', ')');
    const std::size_t name_end = kernel[end - 1] == '>' ? back_over('<', '>') : end;
    for (const char* before : {"::", "<", ", "}) {
        const std::size_t at = kernel.rfind(before, name_end - 1);
        if (at != std::string::npos) begin = std::max(begin, at + std::strlen(before));
    }
    return kernel.substr(begin, end - begin);
}

struct Symbols {
    std::vector<SharedArray> shared;
    std::vector<std::pair<std::uintptr_t, std::string>> functions;
};

/// `count` values of T from a file; none where it ends before them.
template <class T>
std::vector<T> read(std::ifstream& file, std::size_t offset, std::size_t count) {
    std::vector<T> values(count);
    const auto bytes = static_cast<std::streamsize>(count * sizeof(T));
    file.seekg(static_cast<std::streamoff>(offset));
    if (!file.read(reinterpret_cast<char*>(values.data()), bytes)) values.clear();
    return values;
}

Symbols read_symbols() {
    Symbols symbols;
    // Not the whole file: with what debuggers and sanitizers want it has hundreds of megabytes.
    std::ifstream file("/proc/self/exe", std::ios::binary);
    const auto headers = read<Elf64_Ehdr>(file, 0, 1);
    if (headers.empty()) return symbols;
    const auto sections = read<Elf64_Shdr>(file, headers[0].e_shoff, headers[0].e_shnum);
    const std::uintptr_t offset = load_offset();
    for (const Elf64_Shdr& section : sections) {
        if (section.sh_type != SHT_SYMTAB) continue;
        const Elf64_Shdr& strings = sections[section.sh_link];
        const auto names = read<char>(file, strings.sh_offset, strings.sh_size);
        for (const Elf64_Sym& symbol :
             read<Elf64_Sym>(file, section.sh_offset, section.sh_size / sizeof(Elf64_Sym))) {
            const char* name = names.data() + symbol.st_name;
            if (std::strstr(name, kernels_namespace) == nullptr) continue;
            const std::uintptr_t address = offset + symbol.st_value;
            const bool variable = ELF64_ST_TYPE(symbol.st_info) == STT_OBJECT &&
                                  std::strncmp(name, "_ZZ", 3) == 0 && symbol.st_size > 0 &&
                                  symbol.st_shndx < sections.size() &&
                                  (sections[symbol.st_shndx].sh_flags & SHF_WRITE) != 0;
            if (variable)
                symbols.shared.push_back({address, symbol.st_size, last_part(demangled(name)),
                                          std::strstr(name, "handgrad_guard_") != nullptr});
            else if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC)
                symbols.functions.emplace_back(address, name);
        }
    }
    std::sort(symbols.shared.begin(), symbols.shared.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    return symbols;
}

const Symbols& symbols() {
    static const Symbols& read = *new Symbols(read_symbols());
    return read;
}

}  // namespace

const std::vector<SharedArray>& shared_arrays() {
    return symbols().shared;
}

std::string kernel_name(const void* kernel) {
    for (const auto& [address, name] : symbols().functions)
        if (address == reinterpret_cast<std::uintptr_t>(kernel))
            return short_name(demangled(name.c_str()));
    return "?";
}

#if defined(HANDGRAD_LINES)
std::string line_of(const void* pc) {
    static backtrace_state* state = backtrace_create_state(nullptr, 0, nullptr, nullptr);
    std::string line = "?";
    const auto found = [](void* result, std::uintptr_t, const char* file, int number,
                          const char*) -> int {
        if (file == nullptr) return 0;
        const std::string_view path = file;
        const std::string_view name = path.substr(path.rfind('/') + 1);
        if (name == "emulator.h") return 0;  // the line that called it is meant
        *static_cast<std::string*>(result) = std::string(name) + ":" + std::to_string(number);
        return 1;
    };
    // The line of the call, not of what comes after it.
    backtrace_pcinfo(
        state, reinterpret_cast<std::uintptr_t>(pc) - 1, found, [](void*, const char*, int) {},
        &line);
    return line;
}
#else
std::string line_of(const void*) {
    return "?";
}
#endif

}  // namespace handgrad::emulator
