// Loading: what is told about a model, progress, cancel, and checkpoints that cannot be loaded.
#include <filesystem>
#include <fstream>

#include "capi/api.h"
#include "support/gguf_writer.h"
#include "support/temp_dir.h"

namespace inference::capi_test {
namespace {

inf_status Load(const std::string& path, inf_error* err, inf_cancel* cancel = nullptr,
                inf_event_fn progress = nullptr, void* user = nullptr) {
  Model model;
  const inf_status status = inf_model_load(SharedRuntime(), path.data(), path.size(), nullptr,
                                           cancel, progress, user, model.out(), err);
  EXPECT_EQ(status == INF_OK, model.get() != nullptr);
  return status;
}

// Whatever went wrong before: the next load is good, and so is its first text.
void ExpectGoodLoad() { ExpectWorks(NewSession(0, LoadModel(kTinyModel).get()).get()); }

TEST(Load, WhatIsToldAboutTheModel) {
  auto desc = Sized<inf_model_desc>();
  ASSERT_OK(inf_model_info(SharedModel(), &desc, &err));
  EXPECT_STREQ(desc.architecture, "llama");
  EXPECT_STREQ(desc.format, "safetensors");
  EXPECT_STREQ(desc.quantization, "BF16");
  EXPECT_EQ(desc.path, kTinyModel);
  EXPECT_EQ(desc.vocab_size, 512u);
  EXPECT_EQ(desc.num_layers, 3u);
  EXPECT_EQ(desc.hidden_size, 128u);
  EXPECT_EQ(desc.num_attention_heads, 4u);
  EXPECT_EQ(desc.num_key_value_heads, 2u);
  EXPECT_EQ(desc.head_dim, 32u);
  EXPECT_EQ(desc.intermediate_size, 96u);
  EXPECT_EQ(desc.context_length, 512u);
  EXPECT_EQ(desc.quant_bits, 0u);
  EXPECT_EQ(desc.quant_group, 0u);
  EXPECT_EQ(desc.kv_bytes_per_token, 3u * 2 * 2 * 32 * sizeof(float));
  EXPECT_GT(desc.parameters, 300000u);
  EXPECT_GT(desc.weight_bytes, desc.decode_bytes_per_token);
  EXPECT_GT(desc.decode_bytes_per_token, 0u);
}

struct Progress {
  int events = 0, at = -1;
  int32_t answer = 0;
  uint64_t step = 0, total = 0;
  static int32_t OnEvent(void* user, const inf_event* event) {
    auto& self = *static_cast<Progress*>(user);
    EXPECT_EQ(event->kind, uint32_t{INF_EVENT_PROGRESS});
    EXPECT_GE(event->step, self.step);
    EXPECT_GT(event->text_len, 0u);
    self.step = event->step;
    self.total = event->total;
    return self.events++ == self.at ? self.answer : 0;
  }
};

TEST(Load, Progress) {
  Progress progress;
  EXPECT_OK(Load(kTinyModel, &err, nullptr, Progress::OnEvent, &progress));
  EXPECT_GT(progress.events, 2);
  EXPECT_GT(progress.total, 0u);
  EXPECT_EQ(progress.step, progress.total);
}

TEST(Load, ProgressMayStopOrAbort) {
  Progress stop{.at = 1, .answer = 1};
  EXPECT_FAILS(INF_E_CANCELLED, "stopped by the progress callback",
               Load(kTinyModel, &err, nullptr, Progress::OnEvent, &stop));
  Progress abort{.at = 1, .answer = -5};
  Err err;
  EXPECT_EQ(Load(kTinyModel, &err, nullptr, Progress::OnEvent, &abort), INF_E_CALLBACK);
  EXPECT_EQ(err.sub, -5);
  const inf_event_fn throws = [](void*, const inf_event*) -> int32_t { throw "text"; };
  EXPECT_EQ(Load(kTinyModel, &err, nullptr, throws), INF_E_CALLBACK);
  ExpectGoodLoad();
}

TEST(Load, Cancel) {
  Cancel cancel;
  ASSERT_OK(inf_cancel_new(cancel.out(), &err));
  inf_cancel_trigger(cancel.get());
  EXPECT_FAILS(INF_E_CANCELLED, "cancelled", Load(kTinyModel, &err, cancel.get()));
  inf_cancel_reset(cancel.get());
  const inf_event_fn trigger = [](void* user, const inf_event*) -> int32_t {
    inf_cancel_trigger(static_cast<inf_cancel*>(user));
    return 0;
  };
  EXPECT_FAILS(INF_E_CANCELLED, "cancelled",
               Load(kTinyModel, &err, cancel.get(), trigger, cancel.get()));
  ExpectGoodLoad();
}

TEST(Load, Paths) {
  EXPECT_FAILS(INF_E_NOT_FOUND, "/no/such/model", Load("/no/such/model", &err));
  EXPECT_FAILS(INF_E_ARG, "path: is empty", Load("", &err));
  EXPECT_FAILS(INF_E_ARG, "NUL", Load(std::string("/tmp\0/x", 7), &err));
  EXPECT_FAILS(INF_E_PATH, "/dev/null", Load("/dev/null", &err));
  ExpectGoodLoad();
}

TEST(Load, NotACheckpoint) {
  TempDir folder;
  EXPECT_EQ(Load(folder.path(), nullptr), INF_E_NOT_FOUND);
  EXPECT_FAILS(INF_E_FORMAT, "noise.gguf", Load(folder.Write("noise.gguf", "not a model"), &err));
  EXPECT_FAILS(INF_E_FORMAT, "empty.gguf", Load(folder.Write("empty.gguf", ""), &err));
  ExpectGoodLoad();
}

std::string SmallGguf(const std::string& architecture) {
  const std::vector<float> zeros(64);
  return GgufWriter()
      .String("general.architecture", architecture)
      .String("tokenizer.ggml.model", "gpt2")
      .Strings("tokenizer.ggml.tokens", {"a", "b", "ab"})
      .Strings("tokenizer.ggml.merges", {"a b"})
      .String("tokenizer.ggml.pre", "default")
      .TensorF32("token_embd.weight", {2, 32}, zeros)
      .Build();
}

TEST(Load, GgufCutOffAnywhere) {
  TempDir folder;
  const std::string whole = SmallGguf("llama");
  for (size_t bytes = 0; bytes < whole.size(); bytes += 7) {
    Err err;
    const std::string path = folder.Write("cut.gguf", whole.substr(0, bytes));
    const inf_status status = Load(path, &err);
    EXPECT_TRUE(status == INF_E_FORMAT || status == INF_E_LIMIT) << bytes << ": " << err.text();
    EXPECT_THAT(std::string(err.text()), testing::HasSubstr("cut.gguf"));
  }
  ExpectGoodLoad();
}

TEST(Load, UnknownArchitectures) {
  TempDir folder;
  const std::string gguf = folder.Write("m.gguf", SmallGguf("mamba9"));
  EXPECT_FAILS(INF_E_UNSUPPORTED, "'mamba9', expected one of gemma2, gemma3, llama",
               Load(gguf, &err));
  std::filesystem::copy(kTinyModel, folder.Path("model"), std::filesystem::copy_options::recursive);
  folder.Write("model/config.json", R"({"model_type": "mamba9"})");
  EXPECT_FAILS(INF_E_UNSUPPORTED, "config.json: model_type: is 'mamba9'",
               Load(folder.Path("model"), &err));
  ExpectGoodLoad();
}

TEST(Load, FoldersWithAFault) {
  TempDir folder;
  const std::string model = folder.Path("model");
  const auto fresh = [&] {
    std::filesystem::remove_all(model);
    std::filesystem::copy(kTinyModel, model, std::filesystem::copy_options::recursive);
  };
  fresh();
  std::filesystem::resize_file(model + "/model.safetensors", 100000);
  EXPECT_FAILS(INF_E_FORMAT, "model.safetensors", Load(model, &err));
  fresh();
  folder.Write("model/config.json", "{");
  EXPECT_FAILS(INF_E_FORMAT, "config.json", Load(model, &err));
  fresh();
  std::filesystem::remove(model + "/tokenizer.json");
  EXPECT_FAILS(INF_E_NOT_FOUND, "tokenizer.json", Load(model, &err));
  fresh();
  std::filesystem::remove(model + "/model.safetensors");
  EXPECT_FAILS(INF_E_NOT_FOUND, "holds no .safetensors file", Load(model, &err));
  ExpectGoodLoad();
}

}  // namespace
}  // namespace inference::capi_test
