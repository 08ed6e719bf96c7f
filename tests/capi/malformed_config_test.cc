// Catalogue of malformed config.json files, and of hosts with habits of their own.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cfenv>
#include <clocale>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>

#include "capi/malformed.h"
#include "support/open_watch.h"

namespace inference::capi_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class MalformedConfig : public Malformed {
 protected:
  MalformedConfig() : model_(FreshModel()), config_(model_ + "/config.json") {
    std::ifstream in(config_);
    good_ = json::parse(in);
  }
  void Write(std::string_view text) { dir_.Write("model/config.json", text); }
  // The good config with a change.
  void ExpectBad(inf_status status, const std::string& message,
                 const std::function<void(json&)>& change) {
    json config = good_;
    change(config);
    Write(config.dump());
    ExpectRefused(model_, status, {config_ + ": " + message});
  }
  void ExpectBadText(inf_status status, std::string_view text,
                     std::initializer_list<std::string_view> parts) {
    Write(text);
    ExpectRefused(model_, status, {config_});
    ExpectRefused(model_, status, parts);
  }

  std::string model_, config_;
  json good_;
};

TEST_F(MalformedConfig, CF01_TheFile) {
  fs::remove(config_);
  ExpectRefused(model_, INF_E_NOT_FOUND, {config_ + ": cannot open"});
  fs::create_directory(config_);
  ExpectRefused(model_, INF_E_PATH, {config_ + ": is a directory, expected a regular file"});
  fs::remove(config_);
  ASSERT_EQ(mkfifo(config_.c_str(), 0600), 0);
  ExpectRefused(model_, INF_E_PATH, {config_ + ": is a special file, expected a regular file"});
  fs::remove(config_);
  dir_.WriteSparse("model/config.json", "{}", 50 << 20);
  ExpectRefused(model_, INF_E_LIMIT, {config_ + ": has 52428800 bytes, at most 16777216"});
}

TEST_F(MalformedConfig, CF01_TheText) {
  ExpectBadText(INF_E_FORMAT, "", {"line 1, column 1", "the end"});
  ExpectBadText(INF_E_FORMAT, std::string_view("{\0}\0", 4), {"NUL byte"});  // UTF-16
  ExpectBadText(INF_E_FORMAT, "\xFF\xFE{\x20}\x20", {"line 1, column 1"});   // and its BOM
  ExpectBadText(INF_E_FORMAT, "\xEF\xBB\xBF{}", {"byte order mark"});
  for (const char* root : {"[]", "7", "null", "\"text\""}) {
    ExpectBadText(INF_E_FORMAT, root, {"config.json: is ", "expected an object"});
  }
  ExpectBadText(INF_E_FORMAT, R"({"hidden_size": 1, "hidden_size": 1})",
                {"duplicate key 'hidden_size'"});
  ExpectBadText(INF_E_LIMIT, "{\"a\":" + std::string(100'000, '['), {"nested deeper than"});
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  ExpectBadText(INF_E_LIMIT, objects, {"nested deeper than"});
}

const std::map<std::string, std::string> kRanges = {
    {"hidden_size", "integer 1..65536"},
    {"num_hidden_layers", "integer 1..512"},
    {"num_attention_heads", "integer 1..1024"},
    {"num_key_value_heads", "integer 1..1024"},
    {"head_dim", "integer 1..1024"},
    {"vocab_size", "integer 1..4194304"},
    {"intermediate_size", "integer 1..1048576"},
    {"max_position_embeddings", "integer 1..1073741824"}};

TEST_F(MalformedConfig, CF02_EveryDimensionIsAnIntegerInItsRange) {
  constexpr const char* kBad[] = {
      "0", "-1", "2147483648", "9223372036854775808", "1e308", "4096.5", "\"4096\"", "true", "[]"};
  for (const auto& [field, range] : kRanges) {
    for (const char* bad : kBad) {
      json config = good_;
      config[field] = json::parse(bad);
      Write(config.dump());
      ExpectRefused(model_, INF_E_FORMAT, {config_ + ": " + field + ": is ", "expected " + range});
    }
  }
  for (const char* field : {"hidden_size", "num_hidden_layers", "intermediate_size"}) {
    ExpectBad(INF_E_FORMAT, std::string(field) + ": is missing", [&](json& c) { c.erase(field); });
    ExpectBad(INF_E_FORMAT, std::string(field) + ": is missing",
              [&](json& c) { c[field] = nullptr; });
  }
}

TEST_F(MalformedConfig, CF03_DimensionsFitTogether) {
  ExpectBad(INF_E_FORMAT, "4 attention heads, expected a multiple of the 3 key-value heads",
            [](json& c) { c["num_key_value_heads"] = 3; });
  ExpectBad(INF_E_FORMAT, "4 attention heads, expected a multiple of the 8 key-value heads",
            [](json& c) { c["num_key_value_heads"] = 8; });
  ExpectBad(INF_E_FORMAT, "head_dim: is 15, expected an even number",
            [](json& c) { c["head_dim"] = 15; });
  ExpectBad(INF_E_FORMAT, "vocab_size: is 513, expected 512, the rows of model.embed_tokens.weight",
            [](json& c) { c["vocab_size"] = 513; });
  json config = good_;
  config["num_attention_heads"] = 1024;  // and what it asks of the tensors
  config["head_dim"] = 1024;
  Write(config.dump());
  ExpectRefused(model_, INF_E_FORMAT, {"self_attn.q_proj.weight", "1048576"});
}

TEST_F(MalformedConfig, CF04_LongContexts) {
  ExpectBad(INF_E_FORMAT, "max_position_embeddings: is 1099511627776, expected integer",
            [](json& c) { c["max_position_embeddings"] = int64_t{1} << 40; });
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "n_ctx", 5, 513, &err));
  FreshModel();
  ExpectRefused(model_, INF_E_ARG, {"n_ctx is 513, ", "512"}, config.get());
}

// Keys and values are taken as they are needed, and counted before.
TEST_F(MalformedConfig, CF04_KeysAndValuesPastTheBudget) {
  const Session session = NewSession();
  auto memory = Sized<inf_memory_desc>();
  ASSERT_OK(inf_memory_trim(SharedRuntime(), 0, &err));  // the prefix cache, too
  ASSERT_OK(inf_memory_info(SharedRuntime(), 0, &memory, &err));
  ASSERT_OK(inf_memory_set_limit(SharedRuntime(), 0, memory.active_bytes + 4096, nullptr, &err));
  EXPECT_FAILS(INF_E_OOM_DEVICE,
               fmt::format(" bytes wanted, {} active, limit {}", memory.active_bytes,
                           memory.active_bytes + 4096),
               inf_generate(session.get(), NewRequest(Ids(400, 1), 2).get(), nullptr, nullptr,
                            nullptr, &err));
  ASSERT_OK(inf_memory_set_limit(SharedRuntime(), 0, memory.limit_bytes, nullptr, &err));
  ExpectWorks(session.get());
}

TEST_F(MalformedConfig, CF05_Numbers) {
  for (const char* field : {"rms_norm_eps", "rope_theta"}) {
    for (const char* bad : {"0", "-1", "1e300", "\"x\"", "[]", "true"}) {
      ExpectBad(INF_E_FORMAT, std::string(field) + ": is ",
                [&](json& c) { c[field] = json::parse(bad); });
    }
    ExpectBadText(INF_E_FORMAT, fmt::format(R"({{"{}": NaN}})", field), {"syntax error"});
    ExpectBadText(INF_E_FORMAT, fmt::format(R"({{"{}": 1e999}})", field), {"number out of range"});
  }
  ExpectBad(INF_E_UNSUPPORTED, "rope_scaling: type: is 'magic', expected one of", [](json& c) {
    c["rope_scaling"] = {{"type", "magic"}, {"factor", 4.0}};
  });
  for (const char* bad : {"0", "-1", "\"4\""}) {
    ExpectBad(INF_E_FORMAT, "rope_scaling: factor: is ", [&](json& c) {
      c["rope_scaling"] = {{"type", "linear"}, {"factor", json::parse(bad)}};
    });
  }
}

TEST_F(MalformedConfig, CF06_WhatIsNotSupportedSaysSo) {
  ExpectBad(INF_E_UNSUPPORTED, "model_type: is 'gpt99', expected one of ",
            [](json& c) { c["model_type"] = "gpt99"; });
  ExpectBad(INF_E_FORMAT, "model_type: is missing, expected a string",
            [](json& c) { c.erase("model_type"); });
  for (const char* method : {"gptq", "awq", "bitsandbytes"}) {
    json config = good_;
    config["quantization_config"] = {{"quant_method", method}, {"bits", 4}};
    Write(config.dump());
    ExpectRefused(model_, INF_E_UNSUPPORTED, {config_, "quantization_config", method});
  }
}

TEST_F(MalformedConfig, CF06_EndIds) {
  const auto refuse = [&](inf_status status, const std::string& ids, const std::string& message) {
    const std::string path =
        dir_.Write("model/generation_config.json", fmt::format(R"({{"eos_token_id": {}}})", ids));
    ExpectRefused(model_, status, {path + ": eos_token_id: " + message});
  };
  refuse(INF_E_FORMAT, "-1", "has '-1', expected token ids");
  refuse(INF_E_FORMAT, "[1, \"a\"]", "has '\"a\"', expected token ids");
  refuse(INF_E_FORMAT, "4294967296", "has '4294967296', expected token ids");
  std::string many = "[0";
  for (int i = 1; i < 1'000'000; ++i) many += ",0";
  refuse(INF_E_LIMIT, many + "]", "has 1000000 ids, expected at most");
  // Rows that only fill the table up have no token: nothing ends there.
  dir_.Write("model/generation_config.json", R"({"eos_token_id": [484, 1000000]})");
  LoadModel(model_);
}

// check_symbols.sh holds the rest: the library can neither connect nor start a program.
TEST_F(MalformedConfig, CF07_NothingElseIsOpenedOrRun) {
  fs::create_directory(dir_.Path("base"));
  OpenWatch watch;
  for (const std::string& name :
       {std::string("model/modeling_x.py"), std::string("model/configuration_x.py"),
        std::string("model/__init__.py"), std::string("base/config.json"),
        std::string("model/pytorch_model.bin"), std::string("model/adapter_config.json")}) {
    watch.Add(dir_.Write(name, "import os; os.abort()"));
  }
  watch.Add(dir_.Path("base"));
  json config = good_;
  config["auto_map"] = {{"AutoModelForCausalLM", "modeling_x.X"},
                        {"AutoConfig", "configuration_x.C"}};
  config["base_model_name_or_path"] = dir_.Path("base");
  config["_name_or_path"] = "https://example.invalid/model";
  config["custom_pipelines"] = {{"p", {{"impl", "modeling_x.P"}}}};
  Write(config.dump());
  ExpectWorks(NewSession(0, LoadModel(model_).get()).get());
  EXPECT_THAT(watch.Take(), testing::IsEmpty());
  std::ifstream(model_ + "/modeling_x.py").get();
  std::ifstream(dir_.Path("base/config.json")).get();
  EXPECT_THAT(watch.Take(),
              testing::IsSupersetOf({model_ + "/modeling_x.py", dir_.Path("base/config.json")}))
      << "the watch is blind";
}

TEST_F(MalformedConfig, CF08_RoundingModeOfTheHost) {
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    ASSERT_EQ(std::fesetround(mode), 0);
    Model model = LoadModel(model_);
    Session session = NewSession(0, model.get());
    Floats logits;
    EXPECT_OK(
        inf_session_logits(session.get(), kPrompt.data(), kPrompt.size(), nullptr, &logits, &err));
    EXPECT_EQ(std::fegetround(), mode);
    std::fesetround(FE_TONEAREST);
    const Session good = NewSession();
    Floats wanted;
    EXPECT_OK(
        inf_session_logits(good.get(), kPrompt.data(), kPrompt.size(), nullptr, &wanted, &err));
    ASSERT_EQ(logits.len, wanted.len);
    EXPECT_EQ(std::memcmp(logits.data, wanted.data, wanted.len * sizeof(float)), 0);
  }
}

// A locale whose decimal point is a comma; the system need not have it.
TEST_F(MalformedConfig, CF08_LocaleOfTheHost) {
  const std::string folder = dir_.Path("de_DE");
  const std::string command = "localedef -i de_DE -f UTF-8 " + folder + " >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "localedef cannot make de_DE";
  ASSERT_EQ(setenv("LOCPATH", dir_.path().c_str(), 1), 0);
  ASSERT_NE(std::setlocale(LC_ALL, "de_DE"), nullptr);
  EXPECT_STREQ(std::localeconv()->decimal_point, ",");
  ExpectWorks(NewSession(0, LoadModel(model_).get()).get());
  ExpectBad(INF_E_FORMAT, "hidden_size: is 4096.5, expected",
            [](json& c) { c["hidden_size"] = 4096.5; });
  std::setlocale(LC_ALL, "C");
  unsetenv("LOCPATH");
}

// Goes elsewhere while the weights are read.
TEST_F(MalformedConfig, CF08_WorkingDirectoryOfTheHost) {
  const fs::path before = fs::current_path();
  fs::current_path(dir_.path());
  const inf_event_fn leave = [](void*, const inf_event*) -> int32_t {
    fs::current_path("/");
    return 0;
  };
  Model model;
  EXPECT_OK(inf_model_load(SharedRuntime(), "model", 5, nullptr, nullptr, leave, nullptr,
                           model.out(), &err));
  ExpectWorks(NewSession(0, model.get()).get());
  fs::current_path(before);
}

}  // namespace
}  // namespace inference::capi_test
