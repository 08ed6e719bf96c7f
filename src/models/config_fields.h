// The parts of a config that architectures share, read and checked, from config.json and from GGUF.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "models/checkpoint.h"
#include "nn/rope.h"

namespace inference {

constexpr double kMinEps = 1e-12, kMaxEps = 1.0;
constexpr double kMinTheta = 1.0, kMaxTheta = 1e12;
constexpr int64_t kMaxVocabSize = 1 << 22;

struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling;
};

// Where config.json says nothing; 0 = the field must be there (kv_heads: as many as heads).
struct DimDefaults {
  int64_t heads = 0, kv_heads = 0, head_dim = 0, context_length = 0;
};

// The size of every part, each an integer in its range, and together possible. vocab_size is that
// of the table `embed_tokens`, which the config must agree with where it gives one.
ModelDims ReadDims(const JsonFields& config, const DimDefaults& defaults,
                   const Checkpoint& checkpoint, const std::string& embed_tokens);
ModelDims ReadGgufDims(const Checkpoint& checkpoint, const std::string& embed_tokens);

// `rope` is an object with rope_type (or type) and its parameters: "rope_scaling", or the newer
// "rope_parameters". UNSUPPORTED where the type is not known.
RopeScaling ReadRopeScaling(const JsonFields& rope);
// ARCH.rope.scaling.*
RopeScaling ReadGgufRopeScaling(const GgufMetadata& metadata, const std::string& architecture);

// A number in [min, max]; FORMAT.
std::optional<double> FindGgufFloat(const GgufMetadata& metadata, const std::string& key,
                                    double min, double max);
double GetGgufFloat(const GgufMetadata& metadata, const std::string& key, double min, double max);

// UNSUPPORTED where one of them is true.
void RefuseFlags(const JsonFields& config, std::initializer_list<const char*> flags);
// UNSUPPORTED where the field is there and has another value.
void RequireText(const JsonFields& config, const char* key, const char* wanted);

}  // namespace inference
