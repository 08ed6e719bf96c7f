// What configs say, and every way in which they can be wrong, by message.
#include <gtest/gtest.h>

#include "models/describe.h"
#include "models/gguf_parts.h"
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
                    "rope_scaling: type: is 'mrope', expected one of default, linear, dynamic, "
                    "llama3, yarn, longrope",
                    [](Json& config) {
                      config["rope_scaling"] = {{"type", "mrope"}};
                    });
  ExpectConfigError("llama-mha-headdim", Status::kFormat,
                    "rope_parameters: factor: is missing, expected number",
                    [](Json& config) { config["rope_parameters"]["rope_type"] = "dynamic"; });
  ExpectConfigError("llama-gqa", Status::kFormat,
                    "rope_scaling: short_factor: has 15 entries, expected 16, one for each pair",
                    [](Json& config) {
                      config["rope_scaling"] = {{"type", "longrope"},
                                                {"short_factor", std::vector<double>(15, 1.0)},
                                                {"long_factor", std::vector<double>(16, 1.0)}};
                    });
  ExpectConfigError("llama-gqa", Status::kFormat,
                    "rope_scaling: long_factor: entry 1 is '0.0', expected number",
                    [](Json& config) {
                      config["rope_scaling"] = {{"type", "su"},
                                                {"short_factor", std::vector<double>(16, 1.0)},
                                                {"long_factor", std::vector<double>(16, 0.0)}};
                      config["rope_scaling"]["long_factor"][0] = 1.0;
                    });
  ExpectConfigError("llama-gqa", Status::kFormat,
                    "partial_rotary_factor: 0.1 of a head of 32 is 3, expected an even number >= 2",
                    [](Json& config) { config["partial_rotary_factor"] = 0.1; });
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
                    "model_type: is 'gpt99', expected one of gemma2, gemma3, gemma3_text, "
                    "llama, mistral, phi3, qwen2, qwen3",
                    [](Json& config) { config["model_type"] = "gpt99"; });
  ExpectConfigError("llama-gqa", Status::kFormat, "model_type: is missing, expected a string",
                    [](Json& config) { config.erase("model_type"); });
  ExpectConfigError("llama-gqa", Status::kUnsupported, "hidden_act: is 'relu', expected silu",
                    [](Json& config) { config["hidden_act"] = "relu"; });
  ExpectConfigError("gemma3-text", Status::kUnsupported,
                    "hidden_activation: is 'gelu', expected gelu_pytorch_tanh",
                    [](Json& config) { config["hidden_activation"] = "gelu"; });
  ExpectConfigError("gemma3-text", Status::kUnsupported,
                    "use_bidirectional_attention: is true, expected false",
                    [](Json& config) { config["use_bidirectional_attention"] = true; });
  ExpectConfigError("gemma2", Status::kFormat,
                    "final_logit_softcapping: is -30.0, expected number 0.001..",
                    [](Json& config) { config["final_logit_softcapping"] = -30.0; });
}

TEST(Config, FlagsThatPromiseBiasesWantTheirTensors) {
  for (const auto& [flag, name] : std::map<std::string, std::string>{
           {"attention_bias", "model.layers.0.self_attn.q_proj.bias"},
           {"mlp_bias", "model.layers.0.mlp.gate_proj.bias"}}) {
    Checkpoint checkpoint = OpenTiny("llama-gqa");
    checkpoint.config[flag] = true;
    ExpectError(Status::kFormat, {checkpoint.path + ": tensor " + name + ": is missing"},
                [&] { LoadModel(checkpoint, TestDevice(), {}); });
  }
}

TEST(Config, ContextLengthIsAtMostWhatTheModelWasMadeFor) {
  const Checkpoint checkpoint = OpenTiny("llama-gqa");
  EXPECT_NO_THROW(ReadConfig(checkpoint, 512));
  ExpectError(
      Status::kArg,
      {checkpoint.path + ": n_ctx is 513, expected at most 512, what the model was made for"},
      [&] { LoadModel(checkpoint, TestDevice(), {}, 513); });
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
  EXPECT_EQ(ReadConfig(checkpoint).windows, (std::vector<int64_t>{0, 8, 0, 8, 8, 0}));
}

TEST(Config, WindowsOfTheOthers) {
  Checkpoint qwen = OpenTiny("qwen3-qknorm");
  qwen.config.erase("layer_types");
  EXPECT_EQ(ReadConfig(qwen).windows, (std::vector<int64_t>{0, 0, 0}));
  qwen.config["sliding_window"] = 20;
  qwen.config["max_window_layers"] = 2;
  EXPECT_EQ(ReadConfig(qwen).windows, (std::vector<int64_t>{0, 0, 0}));
  qwen.config["use_sliding_window"] = true;
  EXPECT_EQ(ReadConfig(qwen).windows, (std::vector<int64_t>{0, 0, 20}));
  qwen.config.erase("sliding_window");
  EXPECT_EQ(ReadConfig(qwen).windows, (std::vector<int64_t>{0, 0, 4096}));

  Checkpoint mistral = OpenTiny("llama-gqa");
  mistral.config["model_type"] = "mistral";
  EXPECT_EQ(ReadConfig(mistral).windows, (std::vector<int64_t>{4096, 4096, 4096}));
  mistral.config["sliding_window"] = nullptr;
  EXPECT_EQ(ReadConfig(mistral).windows, (std::vector<int64_t>{0, 0, 0}));

  Checkpoint gemma2 = OpenTiny("gemma2");
  gemma2.config.erase("layer_types");
  gemma2.config.erase("sliding_window");
  EXPECT_EQ(ReadConfig(gemma2).windows, (std::vector<int64_t>{4096, 0, 4096, 0}));
}

TEST(Config, AStretchedRotationIsGoodForMoreTokens) {
  Checkpoint qwen = OpenTiny("qwen2-bias");
  EXPECT_EQ(ReadConfig(qwen).dims.context_length, 512);
  qwen.config["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 512}};
  const DecoderConfig yarn = ReadConfig(qwen, 2048);
  EXPECT_EQ(yarn.dims.context_length, 2048);
  EXPECT_DOUBLE_EQ(yarn.rope.scaling.attention_factor, 0.1 * std::log(4.0) + 1);
  EXPECT_THROW(ReadConfig(qwen, 2049), Error);
  qwen.config["rope_scaling"]["factor"] = 0.5;  // never fewer than the config says
  EXPECT_EQ(ReadConfig(qwen).dims.context_length, 512);
  qwen.config["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  EXPECT_EQ(ReadConfig(qwen).dims.context_length, 512);
}

TEST(Config, SoftCapsOfGemma2) {
  Checkpoint checkpoint = OpenTiny("gemma2");
  for (const char* field : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    checkpoint.config.erase(field);
  }
  EXPECT_EQ(ReadConfig(checkpoint).attn_logit_softcapping, 50.0);
  EXPECT_EQ(ReadConfig(checkpoint).final_logit_softcapping, 30.0);
  checkpoint.config["final_logit_softcapping"] = nullptr;
  EXPECT_EQ(ReadConfig(checkpoint).final_logit_softcapping, 0.0);
}

TEST(Config, DefaultsOfGemma3) {
  Checkpoint checkpoint = OpenTiny("gemma3-text");
  for (const char* field : {"head_dim", "vocab_size", "rms_norm_eps", "rope_theta",
                            "rope_local_base_freq", "sliding_window", "sliding_window_pattern",
                            "query_pre_attn_scalar", "max_position_embeddings"}) {
    checkpoint.config.erase(field);
  }
  const DecoderConfig config = ReadConfig(checkpoint);
  EXPECT_EQ(config.dims.head_dim, 32);  // from the query matrix
  EXPECT_EQ(config.dims.vocab_size, 704);
  EXPECT_EQ(config.dims.context_length, 131072);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope.theta, 1e6);
  EXPECT_EQ(config.local_rope->theta, 1e4);
  EXPECT_EQ(config.attention_scale, 1.0 / 16);
  EXPECT_EQ(config.windows, (std::vector<int64_t>{4096, 4096, 4096, 4096, 4096, 0, 4096}));
}

TEST(Config, FormsOfRopeAgree) {
  const DecoderConfig flat = ReadConfig(OpenTiny("llama-rope-llama3"));
  Checkpoint newer = OpenTiny("llama-rope-llama3");
  newer.config["rope_parameters"] = newer.config["rope_scaling"];
  newer.config["rope_parameters"]["rope_theta"] = newer.config["rope_theta"];
  newer.config.erase("rope_scaling");
  newer.config.erase("rope_theta");
  const DecoderConfig nested = ReadConfig(newer);
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
         "key 'general.architecture': is 'gpt99', expected one of gemma2, gemma3, llama, "
         "phi3, qwen2, qwen3",
         "general.architecture", "gpt99");
  refuse(Status::kFormat,
         "key 'split.count': is 2, expected a file name that ends in -NNNNN-of-00002.gguf",
         "split.count", 2u);
  refuse(Status::kUnsupported, "key 'llama.expert_count': is 8", "llama.expert_count", 8u);
  refuse(Status::kFormat, "vocab_size: is 511, expected 512, the rows of token_embd.weight",
         "llama.vocab_size", 511u);
  refuse(Status::kFormat, "key 'llama.rope.dimension_count': is 15, expected an even number",
         "llama.rope.dimension_count", 15u);
  refuse(Status::kFormat, "key 'llama.rope.dimension_count': is 34, expected integer 2..32",
         "llama.rope.dimension_count", 34u);
  refuse(Status::kUnsupported, "key 'llama.attention.value_length': is 64, expected 32",
         "llama.attention.value_length", 64u);
  refuse(Status::kUnsupported,
         "key 'llama.rope.scaling.type': is 'ntk', expected one of none, linear, yarn",
         "llama.rope.scaling.type", "ntk");
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
  ExpectGgufError("gemma3-text", "gemma3", Status::kFormat,
                  "key 'gemma3.final_logit_softcapping': is -30, expected number 0..",
                  [](GgufParts& parts) { parts.keys["gemma3.final_logit_softcapping"] = -30.0f; });
}

DecoderConfig ReadGguf(const GgufParts& parts) {
  const TempDir folder;
  return ReadConfig(OpenCheckpoint(folder.Write("model.gguf", parts.Build())));
}

TEST(GgufConfig, HeadWidthMayFollowFromTheHiddenSize) {
  GgufParts parts = ConvertFolder(OpenTiny("llama-gqa"), "llama");
  parts.keys.erase("llama.attention.key_length");
  parts.keys["llama.rope.dimension_count"] = 16u;
  EXPECT_EQ(ReadGguf(parts).dims.head_dim, 32);
  EXPECT_EQ(ReadGguf(parts).rope.rotary_dim, 16);
}

TEST(GgufConfig, ScoresOfTheLargestGemmasAreScaledByHiddenSize) {
  GgufParts parts = ConvertFolder(OpenTiny("gemma3-text"), "gemma3");
  parts.keys["gemma3.attention.sliding_window"] = 12u;
  EXPECT_DOUBLE_EQ(ReadGguf(parts).attention_scale, 1 / std::sqrt(32.0));
  parts.keys["gemma3.block_count"] = 62u;
  EXPECT_DOUBLE_EQ(ReadGguf(parts).attention_scale, 1 / std::sqrt(64.0 / 4));
}

}  // namespace
}  // namespace inference
