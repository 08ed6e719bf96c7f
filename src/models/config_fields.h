// The parts of a config that architectures share, read and checked, from config.json and from GGUF.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "models/architecture.h"

namespace inference {

constexpr double kMinEps = 1e-12, kMaxEps = 1.0;
constexpr double kMinTheta = 1.0, kMaxTheta = 1e12;
constexpr int64_t kMaxHeads = 1024;

// Where config.json says nothing; 0 = the field must be there (kv_heads: as many as heads;
// head_dim: hidden_size / heads).
struct DecoderDefaults {
  int64_t heads = 0, kv_heads = 0, head_dim = 0, context_length = 0;
  double rms_norm_eps = 1e-6, rope_theta = 1e4;
};

// The size of every part, each an integer in its range and together possible; norms, one rotation
// for all layers, no windows, scores scaled by the root of head_dim. vocab_size is that of the
// table of embeddings, which the config must agree with where it gives one.
DecoderConfig ReadDecoderConfig(const JsonFields& config, const ConfigSource& source,
                                const DecoderDefaults& defaults);
// The same from ARCH.*; biases are there where their tensors are.
DecoderConfig ReadGgufDecoderConfig(const ConfigSource& source);

// Windows by layer: of sliding_window tokens in layers that "layer_types" calls sliding_attention
// or, without it, where `slides`; 0 elsewhere. default_window 0: none where the field is absent.
std::vector<int64_t> ReadWindows(const JsonFields& config, int64_t layers, int64_t default_window,
                                 const std::function<bool(int64_t layer)>& slides);
// The same for Qwen, where use_sliding_window switches and layers from max_window_layers on slide.
std::vector<int64_t> ReadQwenWindows(const JsonFields& config, int64_t layers);

// The rotation from `parameters` ("rope_parameters", or those of one kind of layer) or, where there
// are none, from rope_theta and "rope_scaling" of the config. UNSUPPORTED where the type is not
// known.
RopeConfig ReadRope(const JsonFields& config, const std::optional<JsonFields>& parameters,
                    const ConfigSource& source, const ModelDims& dims, double default_theta);
RopeConfig ReadRope(const JsonFields& config, const ConfigSource& source, const ModelDims& dims,
                    double default_theta);
// ARCH.rope.*
RopeConfig ReadGgufRope(const ConfigSource& source, const ModelDims& dims);
// How many tokens the model is good for: a stretched rotation may say more than the config does.
int64_t StretchedContext(const RopeConfig& rope, int64_t context_length);

// A number in [min, max]; FORMAT.
std::optional<double> FindGgufFloat(const GgufMetadata& metadata, const std::string& key,
                                    double min, double max);
double GetGgufFloat(const GgufMetadata& metadata, const std::string& key, double min, double max);

// UNSUPPORTED where one of them is true.
void RefuseFlags(const JsonFields& config, std::initializer_list<const char*> flags);
// UNSUPPORTED where the field is there and has another value.
void RequireText(const JsonFields& config, const char* key, const char* wanted);

}  // namespace inference
