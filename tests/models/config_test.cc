// What configs say, and every way in which they can be wrong, by message.
#include <gtest/gtest.h>

#include "models/gemma3.h"
#include "models/gguf_parts.h"
#include "models/llama.h"
#include "support/expect_error.h"
#include "support/temp_dir.h"
#include "support/test_device.h"

namespace inference {
namespace {

Checkpoint OpenTiny(const std::string& name) {
  return OpenCheckpoint(INFERENCE_TEST_DATA "/golden/tiny/" + name + "/model");
}

// `change` made to the config of a good checkpoint.
using Change = std::function<void(Json&)>;

void ExpectConfigError(const std::string& model, Status status, const std::string& message,
                       const Change& change) {
  Checkpoint checkpoint = OpenTiny(model);
  change(checkpoint.config);
  ExpectError(status, {checkpoint.path + "/config.json: " + message},
              [&] { LoadModel(checkpoint, TestDevice(), {}); });
}

TEST(Config, EveryDimensionIsAnIntegerInItsRange) {
  const std::map<std::string, std::string> wanted = {
      {"hidden_size", "integer 1..65536"},
      {"num_hidden_layers", "integer 1..512"},
      {"num_attention_heads", "integer 1..1024"},
      {"num_key_value_heads", "integer 1..1024"},
      {"head_dim", "integer 1..1024"},
      {"vocab_size", "integer 1..4194304"},
      {"intermediate_size", "integer 1..1048576"},
      {"max_position_embeddings", "integer 1..1073741824"}};
  const std::map<std::string, std::string> bad = {{"0", "0"},
                                                  {"-1", "-1"},
                                                  {"2147483648", "2147483648"},
                                                  {"1e308", "1e+308"},
                                                  {"4096.5", "4096.5"},
                                                  {"9223372036854775808", "9223372036854775808"},
                                                  {"\"4096\"", "'4096'"},
                                                  {"true", "true"},
                                                  {"[]", "an array"}};
  for (const char* model : {"llama-gqa", "gemma3-text"}) {
    for (const auto& [field, range] : wanted) {
      for (const auto& [value, shown] : bad) {
        ExpectConfigError(model, Status::kFormat, field + ": is " + shown + ", expected " + range,
                          [&](Json& config) { config[field] = Json::parse(value); });
      }
    }
    for (const char* field : {"hidden_size", "num_hidden_layers", "intermediate_size"}) {
      for (const Json& absent : {Json(), Json("erase")}) {
        ExpectConfigError(model, Status::kFormat,
                          std::string(field) + ": is missing, expected " + wanted.at(field),
                          [&](Json& config) {
                            config[field] = nullptr;
                            if (!absent.is_null()) config.erase(field);
                          });
      }
    }
  }
}

TEST(Config, DimensionsFitTogether) {
  ExpectConfigError("llama-gqa", Status::kFormat,
                    "4 attention heads, expected a multiple of the 3 key-value heads",
                    [](Json& config) { config["num_key_value_heads"] = 3; });
  ExpectConfigError("llama-gqa", Status::kFormat,
                    "4 attention heads, expected a multiple of the 8 key-value heads",
                    [](Json& config) { config["num_key_value_heads"] = 8; });
  ExpectConfigError("llama-gqa", Status::kFormat, "head_dim: is 15, expected an even number",
                    [](Json& config) { config["head_dim"] = 15; });
  ExpectConfigError("llama-gqa", Status::kFormat,
                    "hidden_size: is 130, expected a multiple of the 4 attention heads",
                    [](Json& config) {
                      config["hidden_size"] = 130;
                      config.erase("head_dim");
                    });
  ExpectConfigError("llama-gqa", Status::kFormat,
                    "vocab_size: is 513, expected 512, the rows of model.embed_tokens.weight",
                    [](Json& config) { config["vocab_size"] = 513; });
}

TEST(Config, NumbersArePositiveAndFinite) {
  for (const double bad : {0.0, -1e-6}) {
    ExpectConfigError("llama-gqa", Status::kFormat, "rms_norm_eps: is ",
                      [&](Json& config) { config["rms_norm_eps"] = bad; });
    ExpectConfigError("llama-gqa", Status::kFormat, "rope_theta: is ",
                      [&](Json& config) { config["rope_theta"] = bad; });
    ExpectConfigError("gemma3-text", Status::kFormat, "rope_local_base_freq: is ",
                      [&](Json& config) { config["rope_local_base_freq"] = bad; });
    ExpectConfigError("gemma3-text", Status::kFormat, "query_pre_attn_scalar: is ",
                      [&](Json& config) { config["query_pre_attn_scalar"] = bad; });
    ExpectConfigError(
        "gemma3-scaled", Status::kFormat, "rope_parameters: full_attention: factor: is ",
        [&](Json& config) { config["rope_parameters"]["full_attention"]["factor"] = bad; });
  }
  for (const Json& bad : {Json(0), Json(-1), Json(12.5)}) {
    ExpectConfigError("gemma3-text", Status::kFormat, "sliding_window: is ",
                      [&](Json& config) { config["sliding_window"] = bad; });
  }
  ExpectConfigError("llama-gqa", Status::kFormat, "rope_theta: is 'big', expected number 1..",
                    [](Json& config) { config["rope_theta"] = "big"; });
}

TEST(Config, RopeTypes) {
  ExpectConfigError("llama-gqa", Status::kUnsupported,
                    "rope_scaling: type: is 'yarn', expected one of default, linear, llama3",
                    [](Json& config) {
                      config["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}};
                    });
  ExpectConfigError("llama-mha-headdim", Status::kUnsupported,
                    "rope_parameters: rope_type: is 'dynamic', expected one of",
                    [](Json& config) { config["rope_parameters"]["rope_type"] = "dynamic"; });
  ExpectConfigError("llama-gqa", Status::kFormat, "rope_scaling: factor: is missing",
                    [](Json& config) {
                      config["rope_scaling"] = {{"type", "linear"}};
                    });
  ExpectConfigError("llama-rope-llama3", Status::kFormat,
                    "rope_scaling: low_freq_factor: is 4, expected less than the "
                    "high_freq_factor 4",
                    [](Json& config) { config["rope_scaling"]["low_freq_factor"] = 4.0; });
  ExpectConfigError("llama-gqa", Status::kFormat, "rope_scaling: is 3, expected an object",
                    [](Json& config) { config["rope_scaling"] = 3; });
}

TEST(Config, WhatIsNotSupportedSaysSo) {
  ExpectConfigError("llama-gqa", Status::kUnsupported,
                    "model_type: is 'gpt99', expected one of gemma3, gemma3_text, llama",
                    [](Json& config) { config["model_type"] = "gpt99"; });
  ExpectConfigError("llama-gqa", Status::kFormat, "model_type: is missing, expected a string",
                    [](Json& config) { config.erase("model_type"); });
  for (const char* key : {"quantization_config", "quantization"}) {
    ExpectConfigError("llama-gqa", Status::kUnsupported,
                      std::string(key) + ": is present, expected weights that are not quantised",
                      [&](Json& config) {
                        config[key] = {{"bits", 4}};
                      });
  }
  for (const char* flag : {"attention_bias", "mlp_bias"}) {
    ExpectConfigError("llama-gqa", Status::kUnsupported,
                      std::string(flag) + ": is true, expected false",
                      [&](Json& config) { config[flag] = true; });
  }
  ExpectConfigError("llama-gqa", Status::kUnsupported, "hidden_act: is 'relu', expected silu",
                    [](Json& config) { config["hidden_act"] = "relu"; });
  ExpectConfigError("gemma3-text", Status::kUnsupported,
                    "hidden_activation: is 'gelu', expected gelu_pytorch_tanh",
                    [](Json& config) { config["hidden_activation"] = "gelu"; });
  ExpectConfigError("gemma3-text", Status::kUnsupported,
                    "use_bidirectional_attention: is true, expected false",
                    [](Json& config) { config["use_bidirectional_attention"] = true; });
  ExpectConfigError("gemma3-text", Status::kUnsupported,
                    "final_logit_softcapping: is '30.0', expected null",
                    [](Json& config) { config["final_logit_softcapping"] = 30.0; });
}

TEST(Config, LayerTypes) {
  ExpectConfigError("gemma3-scaled", Status::kFormat,
                    "layer_types: has 1 entries, expected 6, one a layer",
                    [](Json& config) { config["layer_types"] = {"full_attention"}; });
  ExpectConfigError("gemma3-scaled", Status::kUnsupported, "layer_types: entry 2 is 'chunked'",
                    [](Json& config) { config["layer_types"][2] = "chunked"; });
  ExpectConfigError("gemma3-scaled", Status::kUnsupported, "layer_types: entry 0 is '7'",
                    [](Json& config) { config["layer_types"][0] = 7; });
  Checkpoint checkpoint = OpenTiny("gemma3-scaled");
  checkpoint.config["layer_types"] =
      Json::array({"full_attention", "sliding_attention", "full_attention", "sliding_attention",
                   "sliding_attention", "full_attention"});
  EXPECT_EQ(ReadGemma3Config(checkpoint).slides,
            (std::vector<bool>{false, true, false, true, true, false}));
}

TEST(Config, DefaultsOfGemma3) {
  Checkpoint checkpoint = OpenTiny("gemma3-text");
  for (const char* field : {"head_dim", "vocab_size", "rms_norm_eps", "rope_theta",
                            "rope_local_base_freq", "sliding_window", "sliding_window_pattern",
                            "query_pre_attn_scalar", "max_position_embeddings"}) {
    checkpoint.config.erase(field);
  }
  const Gemma3Config config = ReadGemma3Config(checkpoint);
  EXPECT_EQ(config.dims.head_dim, 32);  // from the query matrix
  EXPECT_EQ(config.dims.vocab_size, 704);
  EXPECT_EQ(config.dims.context_length, 131072);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope.theta, 1e6);
  EXPECT_EQ(config.local_rope.theta, 1e4);
  EXPECT_EQ(config.sliding_window, 4096);
  EXPECT_EQ(config.query_pre_attn_scalar, 256);
  EXPECT_EQ(config.slides, (std::vector<bool>{true, true, true, true, true, false, true}));
}

TEST(Config, FormsOfRopeAgree) {
  const LlamaConfig flat = ReadLlamaConfig(OpenTiny("llama-rope-llama3"));
  Checkpoint newer = OpenTiny("llama-rope-llama3");
  newer.config["rope_parameters"] = newer.config["rope_scaling"];
  newer.config["rope_parameters"]["rope_theta"] = newer.config["rope_theta"];
  newer.config.erase("rope_scaling");
  newer.config.erase("rope_theta");
  const LlamaConfig nested = ReadLlamaConfig(newer);
  EXPECT_EQ(flat.rope.scaling.type, RopeScaling::Type::kLlama3);
  EXPECT_EQ(nested.rope.scaling.type, flat.rope.scaling.type);
  EXPECT_EQ(nested.rope.theta, flat.rope.theta);
  EXPECT_EQ(nested.rope.scaling.original_max_position_embeddings, 64);
}

// ---- GGUF ----

void ExpectGgufError(const std::string& model, const std::string& arch, Status status,
                     const std::string& message, const std::function<void(GgufParts&)>& change) {
  GgufParts parts = ConvertFolder(OpenTiny(model), arch);
  if (arch == "gemma3") parts.keys["gemma3.attention.sliding_window"] = 12u;
  change(parts);
  const TempDir folder;
  const std::string path = folder.Write("model.gguf", parts.Build());
  ExpectError(status, {path + ": " + message},
              [&] { LoadModel(OpenCheckpoint(path), TestDevice(), {}); });
}

TEST(GgufConfig, EveryDimensionIsAnIntegerInItsRange) {
  const std::map<std::string, std::string> wanted = {
      {"llama.embedding_length", "integer 1..65536"},
      {"llama.block_count", "integer 1..512"},
      {"llama.attention.head_count", "integer 1..1024"},
      {"llama.attention.head_count_kv", "integer 1..1024"},
      {"llama.attention.key_length", "integer 1..1024"},
      {"llama.vocab_size", "integer 1..4194304"},
      {"llama.feed_forward_length", "integer 1..1048576"},
      {"llama.context_length", "integer 1..1073741824"}};
  for (const auto& [key, range] : wanted) {
    for (const uint32_t bad : {0u, 4000000000u}) {
      ExpectGgufError("llama-gqa", "llama", Status::kFormat,
                      fmt::format("key '{}': is {}, expected {}", key, bad, range),
                      [&](GgufParts& parts) { parts.keys[key] = bad; });
    }
    ExpectGgufError("llama-gqa", "llama", Status::kFormat,
                    fmt::format("key '{}': is '7', expected {}", key, range),
                    [&](GgufParts& parts) { parts.keys[key] = "7"; });
  }
  ExpectGgufError("llama-gqa", "llama", Status::kFormat,
                  "key 'llama.block_count': is missing, expected integer 1..512",
                  [](GgufParts& parts) { parts.keys.erase("llama.block_count"); });
}

TEST(GgufConfig, OtherErrors) {
  const auto refuse = [](Status status, const std::string& message, const std::string& key,
                         std::variant<uint32_t, float, std::string> value) {
    ExpectGgufError("llama-gqa", "llama", status, message,
                    [&](GgufParts& parts) { parts.keys[key] = value; });
  };
  refuse(Status::kUnsupported,
         "key 'general.architecture': is 'gpt99', expected one of gemma3, llama",
         "general.architecture", "gpt99");
  refuse(Status::kUnsupported, "key 'split.count': is 2, expected a model in one file",
         "split.count", 2u);
  refuse(Status::kUnsupported, "key 'llama.expert_count': is 8", "llama.expert_count", 8u);
  refuse(Status::kFormat, "vocab_size: is 511, expected 512, the rows of token_embd.weight",
         "llama.vocab_size", 511u);
  refuse(Status::kUnsupported, "key 'llama.rope.dimension_count': is 16, expected 32",
         "llama.rope.dimension_count", 16u);
  refuse(Status::kUnsupported, "key 'llama.attention.value_length': is 64, expected 32",
         "llama.attention.value_length", 64u);
  refuse(Status::kUnsupported,
         "key 'llama.rope.scaling.type': is 'yarn', expected one of none, linear",
         "llama.rope.scaling.type", "yarn");
  refuse(Status::kFormat, "key 'llama.rope.scaling.factor': is missing, expected number",
         "llama.rope.scaling.type", "linear");
  refuse(Status::kFormat, "key 'llama.rope.freq_base': is 0, expected number 1..",
         "llama.rope.freq_base", 0.0f);
  refuse(Status::kFormat, "key 'llama.attention.layer_norm_rms_epsilon': is 0, expected number",
         "llama.attention.layer_norm_rms_epsilon", 0.0f);
  ExpectGgufError("llama-gqa", "llama", Status::kFormat,
                  "key 'llama.attention.layer_norm_rms_epsilon': is missing", [](GgufParts& parts) {
                    parts.keys.erase("llama.attention.layer_norm_rms_epsilon");
                  });
  ExpectGgufError("llama-gqa", "llama", Status::kFormat, "key 'general.architecture': is missing",
                  [](GgufParts& parts) { parts.keys.erase("general.architecture"); });
  ExpectGgufError("gemma3-text", "gemma3", Status::kFormat,
                  "key 'gemma3.attention.sliding_window': is 0, expected integer 1..",
                  [](GgufParts& parts) { parts.keys["gemma3.attention.sliding_window"] = 0u; });
  ExpectGgufError("gemma3-text", "gemma3", Status::kUnsupported,
                  "key 'gemma3.final_logit_softcapping': is 30, expected 0",
                  [](GgufParts& parts) { parts.keys["gemma3.final_logit_softcapping"] = 30.0f; });
}

TEST(GgufConfig, HeadWidthMayFollowFromOtherKeys) {
  GgufParts parts = ConvertFolder(OpenTiny("llama-gqa"), "llama");
  parts.keys.erase("llama.attention.key_length");
  const TempDir folder;
  EXPECT_EQ(ReadLlamaConfig(OpenCheckpoint(folder.Write("a.gguf", parts.Build()))).dims.head_dim,
            32);
  parts.keys["llama.rope.dimension_count"] = 16u;
  EXPECT_EQ(ReadLlamaConfig(OpenCheckpoint(folder.Write("b.gguf", parts.Build()))).dims.head_dim,
            16);
}

TEST(GgufConfig, ScoresOfGemma3Of62LayersAreScaledByHiddenSize) {
  GgufParts parts = ConvertFolder(OpenTiny("gemma3-text"), "gemma3");
  parts.keys["gemma3.attention.sliding_window"] = 12u;
  const TempDir folder;
  EXPECT_EQ(
      ReadGemma3Config(OpenCheckpoint(folder.Write("a.gguf", parts.Build()))).query_pre_attn_scalar,
      32);
  parts.keys["gemma3.block_count"] = 62u;
  EXPECT_EQ(
      ReadGemma3Config(OpenCheckpoint(folder.Write("b.gguf", parts.Build()))).query_pre_attn_scalar,
      64 / 4);
}

}  // namespace
}  // namespace inference
