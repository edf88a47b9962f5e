// Counts what the test program asks of the system: for tests that a loop allocates nothing.
#pragma once

#include <cstddef>

/// Calls of the global operator new so far, in all threads, from everywhere in the program.
/// Stands still in builds with a sanitizer.
std::size_t operator_new_calls();
