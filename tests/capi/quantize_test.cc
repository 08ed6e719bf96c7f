// A checkpoint made smaller through the ABI. What the numbers must be:
// tests/models/quantize_test.cc.
#include <filesystem>

#include "capi/api.h"
#include "support/temp_dir.h"

namespace inference::capi_test {
namespace {

namespace fs = std::filesystem;

struct Call {
  uint32_t bits = 0, group = 0;
  inf_cancel* cancel = nullptr;
  inf_event_fn progress = nullptr;
  void* user = nullptr;

  inf_status operator()(const std::string& path, const std::string& out, inf_error* err) const {
    return inf_quantize(path.data(), path.size(), out.data(), out.size(), bits, group, nullptr,
                        cancel, progress, user, err);
  }
};

TEST(Quantize, TheResultLoadsAndIsSmaller) {
  const TempDir dir;
  const std::string out = dir.Path("m");
  EXPECT_OK(Call{}(kTinyModel, out, &err));  // 4 bits, groups of 64
  const Model model = LoadModel(out);
  auto desc = Sized<inf_model_desc>(), source = Sized<inf_model_desc>();
  EXPECT_OK(inf_model_info(model.get(), &desc, &err));
  EXPECT_OK(inf_model_info(SharedModel(), &source, &err));
  EXPECT_EQ(desc.quant_bits, 4u);
  EXPECT_EQ(desc.quant_group, 64u);
  EXPECT_THAT(std::string(desc.quantization), testing::HasSubstr("4-bit affine"));
  EXPECT_EQ(desc.parameters, source.parameters);
  EXPECT_LT(desc.weight_bytes, source.weight_bytes / 2);
  Session session = NewSession(0, model.get());
  Collector got;
  EXPECT_OK(inf_generate(session.get(), NewRequest(kPrompt, 5).get(), Collector::OnEvent, &got,
                         nullptr, &err));
  EXPECT_EQ(got.ids.size(), 5u);
}

struct Progress {
  int events = 0, at = -1;
  int32_t answer = 0;
  uint64_t step = 0, total = 0;
  static int32_t OnEvent(void* user, const inf_event* event) {
    auto& self = *static_cast<Progress*>(user);
    EXPECT_EQ(event->kind, uint32_t{INF_EVENT_PROGRESS});
    EXPECT_GE(event->step, self.step);
    EXPECT_EQ(std::string(event->text, event->text_len), "quantizing weights");
    self.step = event->step;
    self.total = event->total;
    return self.events++ == self.at ? self.answer : 0;
  }
};

TEST(Quantize, ProgressMayStopOrAbortAndLeavesNothing) {
  const TempDir dir;
  const std::string out = dir.Path("m");
  Progress progress;
  const auto with = [](Progress& p) { return Call{.progress = Progress::OnEvent, .user = &p}; };
  EXPECT_OK(with(progress)(kTinyModel, out, &err));
  EXPECT_GT(progress.events, 2);
  EXPECT_EQ(progress.step, progress.total);
  fs::remove_all(out);

  Progress stop{.at = 1, .answer = 1}, abort{.at = 1, .answer = -5};
  EXPECT_FAILS(INF_E_CANCELLED, "stopped by the progress callback",
               with(stop)(kTinyModel, out, &err));
  EXPECT_EQ(stop.events, 2);
  Err failure;
  EXPECT_EQ(with(abort)(kTinyModel, out, &failure), INF_E_CALLBACK);
  EXPECT_EQ(failure.sub, -5);
  Cancel cancel;
  ASSERT_OK(inf_cancel_new(cancel.out(), &err));
  inf_cancel_trigger(cancel.get());
  EXPECT_FAILS(INF_E_CANCELLED, "cancelled", Call{.cancel = cancel.get()}(kTinyModel, out, &err));
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(Quantize, WrongArguments) {
  const TempDir dir;
  const std::string out = dir.Path("m");
  EXPECT_FAILS(INF_E_ARG, "bits: is 7, expected 2, 3, 4, 5, 6, 8",
               Call{.bits = 7}(kTinyModel, out, &err));
  EXPECT_FAILS(INF_E_ARG, "bits: is 2147483647", Call{.bits = ~0u}(kTinyModel, out, &err));
  EXPECT_FAILS(INF_E_ARG, "group: is 16, expected 32, 64, 128",
               Call{.group = 16}(kTinyModel, out, &err));
  EXPECT_FAILS(INF_E_ARG, "path", Call{}("", out, &err));
  EXPECT_FAILS(INF_E_ARG, "out_path", Call{}(kTinyModel, "", &err));
  EXPECT_FAILS(INF_E_ARG, "out_path: is NULL",
               inf_quantize("a", 1, nullptr, 1, 0, 0, nullptr, nullptr, nullptr, nullptr, &err));
  EXPECT_FAILS(INF_E_NOT_FOUND, "/no/such", Call{}("/no/such", out, &err));
  EXPECT_FAILS(INF_E_STATE, dir.path() + "/x: exists", [&](inf_error* e) {
    dir.Write("x", "");
    return Call{}(kTinyModel, dir.Path("x"), e);
  }(&err));
  EXPECT_FAILS(INF_E_UNSUPPORTED, "config.json: quantization: is present",
               Call{}(kTinyFolder + "/model-mlx-4bit", out, &err));
  inf_cancel* const no_handle = reinterpret_cast<inf_cancel*>(8);
  EXPECT_FAILS(INF_E_HANDLE, "cancel", Call{.cancel = no_handle}(kTinyModel, out, &err));
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace inference::capi_test
