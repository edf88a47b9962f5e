// safetensors: tensors with names in a file, as PyTorch and others exchange them.
// https://huggingface.co/docs/safetensors
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "layers/layer.h"

namespace handgrad {

template <class T>
struct NamedTensor {
    std::string name;
    Tensor<T> value;
};

using Metadata = std::map<std::string, std::string>;

template <class T>
struct SafeTensors {
    std::vector<NamedTensor<T>> tensors;  // as they follow one another in the file
    Metadata metadata;
};

/// Writes tensors of T = float (F32) or double (F64), from any device, in the order given. Throws
/// Error where a name comes twice or is "__metadata__", or the file cannot be written.
template <class T>
void save_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor<T>>& tensors,
                      const Metadata& metadata = {});

/// Reads a file whose tensors are all of T, onto the CPU. A file is trusted in nothing: throws
/// Error, naming the tensor where there is one, for a header that is cut short, is not JSON, or
/// names a tensor twice; for another data type; and unless the shapes' bytes fill the file exactly,
/// without gap or overlap.
template <class T>
SafeTensors<T> load_safetensors(const std::filesystem::path& path);

/// Copies every source into the target of its name. Throws Error, in the name of `operation`, with
/// every name that is missing, not expected, there twice or of another shape, and then copies none.
template <class T>
void copy_by_name(std::string_view operation, const std::vector<NamedTensor<T>>& targets,
                  const std::vector<NamedTensor<T>>& sources);

/// A model's parameters, then its buffers, under their names. The tensors are the model's own.
template <class T>
std::vector<NamedTensor<T>> state_dict(Layer<T>& model);

/// Writes the model's state_dict.
template <class T>
void save_model(const std::filesystem::path& path, Layer<T>& model, const Metadata& metadata = {});

/// Reads what save_model wrote into a model of the same make; returns the metadata. Throws Error,
/// with every name that is missing, not expected or of another shape, and then leaves the model as
/// it was.
template <class T>
Metadata load_model(const std::filesystem::path& path, Layer<T>& model);

}  // namespace handgrad
