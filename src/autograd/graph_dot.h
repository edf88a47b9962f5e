// The graph behind a variable, to look at.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace handgrad {

/// The graph that `y` was computed by, in Graphviz' language; `dot -Tsvg` draws it. Operations are
/// ovals, leaves that require a gradient are boxes, other leaves are plain text; each stands with
/// its shape, and with its name where `names` gives one. To be called before backward frees the
/// graph.
template <class T>
std::string graph_dot(const Variable<T>& y,
                      const std::vector<std::pair<std::string, Variable<T>>>& names = {});

}  // namespace handgrad
