// Rotary position embeddings as configs describe them.
#include <cmath>

#include "models/config_fields.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr double kMinFactor = 1e-3, kMaxFactor = 1e6;

void ReadLlama3(const JsonFields& rope, RopeScaling* out) {
  out->type = RopeScaling::Type::kLlama3;
  out->factor = rope.GetFloat("factor", kMinFactor, kMaxFactor);
  out->low_freq_factor = rope.GetFloat("low_freq_factor", kMinFactor, kMaxFactor);
  out->high_freq_factor = rope.GetFloat("high_freq_factor", kMinFactor, kMaxFactor);
  Require(out->low_freq_factor < out->high_freq_factor, Status::kFormat,
          "{}: low_freq_factor: is {}, expected less than the high_freq_factor {}", rope.name(),
          out->low_freq_factor, out->high_freq_factor);
}

// Peng et al. 2023, equation 22.
double YarnAttentionFactor(double factor, double mscale = 1.0) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

void ReadYarn(const JsonFields& rope, const ModelDims& dims, RopeScaling* out) {
  out->type = RopeScaling::Type::kYarn;
  out->factor = rope.FindFloat("factor", kMinFactor, kMaxFactor)
                    .value_or(static_cast<double>(dims.context_length) /
                              static_cast<double>(out->original_max_position_embeddings));
  out->beta_fast = rope.FindFloat("beta_fast", kMinFactor, kMaxFactor).value_or(out->beta_fast);
  out->beta_slow = rope.FindFloat("beta_slow", kMinFactor, kMaxFactor).value_or(out->beta_slow);
  out->truncate = rope.FindBool("truncate").value_or(true);
  const double mscale = rope.FindFloat("mscale", 0, kMaxFactor).value_or(0);
  const double all = rope.FindFloat("mscale_all_dim", 0, kMaxFactor).value_or(0);
  out->attention_factor =
      rope.FindFloat("attention_factor", kMinFactor, kMaxFactor)
          .value_or(mscale > 0 && all > 0 ? YarnAttentionFactor(out->factor, mscale) /
                                                YarnAttentionFactor(out->factor, all)
                                          : YarnAttentionFactor(out->factor));
}

std::vector<double> ReadFactors(const JsonFields& rope, const char* key, int64_t count) {
  const Json* list = rope.FindArray(key);
  Require(list != nullptr && std::cmp_equal(list->size(), count), Status::kFormat,
          "{}: {}: has {} entries, expected {}, one for each pair of dimensions that turn",
          rope.name(), key, list == nullptr ? 0 : list->size(), count);
  std::vector<double> out;
  for (const Json& entry : *list) {
    const bool good =
        entry.is_number() && entry.get<double>() >= kMinFactor && entry.get<double>() <= kMaxFactor;
    Require(good, Status::kFormat, "{}: {}: entry {} is {}, expected number {}..{}", rope.name(),
            key, out.size(), Quote(entry.dump()), kMinFactor, kMaxFactor);
    out.push_back(entry.get<double>());
  }
  return out;
}

// Ding et al. 2024: a table of divisors for short texts and one for long ones. Which of them is
// decided by the room that the model is loaded for, so that cached keys stay good.
void ReadLongRope(const JsonFields& rope, const ConfigSource& source, const ModelDims& dims,
                  int64_t rotary_dim, RopeScaling* out) {
  const auto original = static_cast<double>(out->original_max_position_embeddings);
  const int64_t used = source.context_length == 0 ? dims.context_length : source.context_length;
  const auto short_factor = ReadFactors(rope, "short_factor", rotary_dim / 2);
  const auto long_factor = ReadFactors(rope, "long_factor", rotary_dim / 2);
  out->type = RopeScaling::Type::kFactors;
  out->factors = used > out->original_max_position_embeddings ? long_factor : short_factor;
  out->factor = rope.FindFloat("factor", kMinFactor, kMaxFactor)
                    .value_or(static_cast<double>(dims.context_length) / original);
  const double computed =
      out->factor <= 1.0 ? 1.0 : std::sqrt(1 + std::log(out->factor) / std::log(original));
  out->attention_factor =
      rope.FindFloat("attention_factor", kMinFactor, kMaxFactor).value_or(computed);
}

RopeScaling ReadScaling(const JsonFields& config, const JsonFields& rope,
                        const ConfigSource& source, const ModelDims& dims, int64_t rotary_dim) {
  RopeScaling out;
  const char* key = rope.Has("rope_type") ? "rope_type" : "type";
  const std::string type = rope.FindString(key).value_or("default");
  const JsonFields& about = config.Has("original_max_position_embeddings") ? config : rope;
  out.original_max_position_embeddings =
      about.FindInt("original_max_position_embeddings", 1, kMaxCacheLength)
          .value_or(dims.context_length);
  if (type == "default") return out;
  if (type == "dynamic") {  // changes nothing up to max_position_embeddings, where we end
    rope.GetFloat("factor", kMinFactor, kMaxFactor);
  } else if (type == "linear") {
    out.type = RopeScaling::Type::kLinear;
    out.factor = rope.GetFloat("factor", kMinFactor, kMaxFactor);
  } else if (type == "llama3") {
    ReadLlama3(rope, &out);
  } else if (type == "longrope" || type == "su" || (type == "yarn" && rope.Has("short_factor"))) {
    ReadLongRope(rope, source, dims, rotary_dim, &out);  // the first Phi-3 called it su and yarn
  } else if (type == "yarn") {
    ReadYarn(rope, dims, &out);
  } else {
    Fail(Status::kUnsupported,
         "{}: {}: is {}, expected one of default, linear, dynamic, llama3, yarn, longrope",
         rope.name(), key, Quote(type));
  }
  return out;
}

int64_t RotaryDim(const JsonFields& where, const ModelDims& dims) {
  const double fraction = where.FindFloat("partial_rotary_factor", 1e-3, 1.0).value_or(1.0);
  const auto out = static_cast<int64_t>(static_cast<double>(dims.head_dim) * fraction);
  Require(out >= 2 && out % 2 == 0, Status::kFormat,
          "{}: partial_rotary_factor: {} of a head of {} is {}, expected an even number >= 2",
          where.name(), fraction, dims.head_dim, out);
  return out;
}

std::vector<double> GgufFactors(const ConfigSource& source, bool is_long, int64_t count) {
  const TensorSet& tensors = source.checkpoint.tensors;
  const std::string name = is_long ? "rope_factors_long.weight" : "rope_factors_short.weight";
  const TensorEntry* entry = tensors.Find(name);
  const bool good = entry != nullptr && entry->dtype == DType::kF32 && entry->shape.size() == 1 &&
                    std::cmp_equal(entry->shape[0], count);
  Require(good, Status::kFormat, "{}: tensor {}: expected {} numbers of type F32",
          source.checkpoint.path, name, count);
  std::vector<float> values(static_cast<size_t>(count));
  tensors.Read(*entry, 0, std::as_writable_bytes(std::span(values)));
  for (size_t i = 0; i < values.size(); ++i) {
    Require(std::isfinite(values[i]) && values[i] > 0.0f, Status::kFormat,
            "{}: tensor {}: value {} is {}, expected a positive number", source.checkpoint.path,
            name, i, values[i]);
  }
  return {values.begin(), values.end()};
}

RopeScaling ReadGgufScaling(const ConfigSource& source, const std::string& prefix,
                            const ModelDims& dims, int64_t rotary_dim) {
  const GgufMetadata& metadata = source.checkpoint.metadata;
  RopeScaling out;
  out.original_max_position_embeddings =
      metadata.FindInt(prefix + "original_context_length", 1, kMaxCacheLength)
          .value_or(dims.context_length);
  const auto factor = [&] {
    return GetGgufFloat(metadata, prefix + "factor", kMinFactor, kMaxFactor);
  };
  const double attention_factor =
      FindGgufFloat(metadata, prefix + "attn_factor", kMinFactor, kMaxFactor).value_or(1.0);
  if (source.checkpoint.tensors.Find("rope_factors_long.weight") != nullptr) {
    const int64_t used = source.context_length == 0 ? dims.context_length : source.context_length;
    out.type = RopeScaling::Type::kFactors;
    out.factors = GgufFactors(source, used > out.original_max_position_embeddings, rotary_dim / 2);
    out.attention_factor = attention_factor;
    return out;
  }
  const std::string* type = metadata.FindString(prefix + "type");
  if (type == nullptr || *type == "none") return out;
  if (*type == "linear") {
    out.type = RopeScaling::Type::kLinear;
    out.factor = factor();
  } else if (*type == "yarn") {
    out.type = RopeScaling::Type::kYarn;
    out.factor = factor();
    out.attention_factor = attention_factor * YarnAttentionFactor(out.factor);
  } else {
    Fail(Status::kUnsupported, "{}: key '{}type': is {}, expected one of none, linear, yarn",
         metadata.path(), prefix, Quote(*type));
  }
  return out;
}

}  // namespace

RopeConfig ReadRope(const JsonFields& config, const std::optional<JsonFields>& parameters,
                    const ConfigSource& source, const ModelDims& dims, double default_theta) {
  const JsonFields& first = parameters ? *parameters : config;
  const auto theta = first.FindFloat("rope_theta", kMinTheta, kMaxTheta);
  RopeConfig out;
  out.theta =
      theta ? *theta : config.FindFloat("rope_theta", kMinTheta, kMaxTheta).value_or(default_theta);
  out.rotary_dim = RotaryDim(first.Has("partial_rotary_factor") ? first : config, dims);
  const auto scaling = parameters ? parameters : config.FindObject("rope_scaling");
  if (scaling) out.scaling = ReadScaling(config, *scaling, source, dims, out.rotary_dim);
  return out;
}

RopeConfig ReadRope(const JsonFields& config, const ConfigSource& source, const ModelDims& dims,
                    double default_theta) {
  return ReadRope(config, config.FindObject("rope_parameters"), source, dims, default_theta);
}

RopeConfig ReadGgufRope(const ConfigSource& source, const ModelDims& dims) {
  const GgufMetadata& metadata = source.checkpoint.metadata;
  const std::string prefix = metadata.GetString("general.architecture") + ".rope.";
  RopeConfig out;
  out.theta =
      FindGgufFloat(metadata, prefix + "freq_base", kMinTheta, kMaxTheta).value_or(out.theta);
  out.rotary_dim =
      metadata.FindInt(prefix + "dimension_count", 2, dims.head_dim).value_or(dims.head_dim);
  Require(out.rotary_dim % 2 == 0, Status::kFormat,
          "{}: key '{}dimension_count': is {}, expected an even number", metadata.path(), prefix,
          out.rotary_dim);
  out.scaling = ReadGgufScaling(source, prefix + "scaling.", dims, out.rotary_dim);
  return out;
}

int64_t StretchedContext(const RopeConfig& rope, int64_t context_length) {
  if (rope.scaling.type != RopeScaling::Type::kYarn) return context_length;
  const double stretched =
      static_cast<double>(rope.scaling.original_max_position_embeddings) * rope.scaling.factor;
  return std::max(context_length,
                  static_cast<int64_t>(std::min(stretched, static_cast<double>(kMaxCacheLength))));
}

}  // namespace inference
