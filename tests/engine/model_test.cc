#include "engine/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "engine/tiny_models.h"
#include "support/expect_error.h"
#include "support/open_watch.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

// A copy of the tiny model that a test may damage.
class ModelTest : public testing::Test {
 protected:
  ModelTest() {
    std::filesystem::copy(TinyPath("llama-gqa"), folder_.Path("model"),
                          std::filesystem::copy_options::recursive);
  }
  std::string path() const { return folder_.Path("model"); }
  std::shared_ptr<Model> Load(const LoadOptions& options = {}, const ModelLoadHooks& hooks = {}) {
    return Model::Load(TestRuntime(), path(), options, hooks);
  }

  TempDir folder_;
};

TEST_F(ModelTest, WhatIsLoaded) {
  const std::shared_ptr<Model> model = Load({.context_length = 100, .prefill_chunk = 4096});
  EXPECT_EQ(model->network().dims().architecture, "llama");
  EXPECT_EQ(model->format(), CheckpointFormat::kSafetensors);
  EXPECT_EQ(model->path(), path());
  EXPECT_EQ(model->context_length(), 100);
  EXPECT_EQ(model->prefill_chunk(), 100);
  EXPECT_EQ(model->text()->tokenizer->bos(), 480);
}

TEST_F(ModelTest, TheContextIsNotLongerThanTheModels) {
  ExpectError(Status::kArg, {path(), "n_ctx is 513", "at most 512"},
              [&] { Load({.context_length = 513}); });
}

TEST_F(ModelTest, AnUnknownDevice) {
  ExpectError(Status::kDevice, {"no such thing"}, [&] { Load({.device = "no such thing"}); });
}

TEST_F(ModelTest, CancelledBeforeItBegan) {
  CancelFlag cancel;
  cancel.Trigger();
  ExpectError(Status::kCancelled, {"model load"}, [&] { Load({}, {.cancel = &cancel}); });
}

TEST_F(ModelTest, ProgressCoversEveryByte) {
  uint64_t last = 0, all = 0;
  Load({}, {.progress = [&](uint64_t done, uint64_t total) {
         EXPECT_GE(done, last);
         last = done;
         all = total;
       }});
  EXPECT_GT(all, 0u);
  EXPECT_EQ(last, all);
}

TEST_F(ModelTest, ABrokenTemplateFailsWhereItIsUsed) {
  folder_.Write("model/chat_template.jinja", "{% if %}");
  const auto text = LoadTextProcessor(path());
  EXPECT_GT(text->tokenizer->vocab_size(), 0);
  ExpectError(Status::kTemplate, {"chat_template.jinja:1:"},
              [&] { text->templates.Select("", false); });
}

// added_tokens_decoder makes some configs large: one limit for all who read them, and one reading.
TEST_F(ModelTest, SmallFilesAreReadOnce) {
  std::filesystem::remove(folder_.Path("model/chat_template.jinja"));
  const std::string filler(20 << 20, ' ');
  folder_.Write("model/tokenizer_config.json",
                R"({"chat_template": "{{ image_token }}", "image_token": "<img>")" + filler + "}");
  folder_.Write("model/special_tokens_map.json", R"({"audio_token": "<a>"})");
  OpenWatch watch;
  watch.Add(path());
  const auto text = LoadTextProcessor(path());
  const std::map<std::string, int> opened = watch.TakeCounts();
  EXPECT_EQ(opened.at(path() + "/tokenizer_config.json"), 1);
  EXPECT_EQ(opened.at(path() + "/special_tokens_map.json"), 1);
  EXPECT_EQ(text->templates.Select("", false).Render(text->special_tokens), "<img>");
  EXPECT_EQ(text->special_tokens["audio_token"], "<a>");
  folder_.Write("model/tokenizer_config.json", std::string((64 << 20) + 1, ' '));
  ExpectError(Status::kLimit, {"tokenizer_config.json", "67108865", "67108864"},
              [&] { LoadTextProcessor(path()); });
}

TEST_F(ModelTest, NoTemplate) {
  std::filesystem::remove(folder_.Path("model/chat_template.jinja"));
  ExpectError(Status::kState, {"no chat template"},
              [&] { LoadTextProcessor(path())->templates.Select("", false); });
}

TEST(TextProcessorTest, AMissingFile) {
  ExpectError(Status::kNotFound, {"/no/such/model"}, [] { LoadTextProcessor("/no/such/model"); });
}

TEST(RuntimeTest, DevicesByIndexAndName) {
  const Runtime runtime({}, std::make_shared<Logger>());
  ASSERT_FALSE(runtime.devices().devices.empty());
  EXPECT_EQ(runtime.FindDevice("0"), 0u);
  EXPECT_EQ(runtime.FindDevice(runtime.device(0).name), 0u);
  const size_t count = runtime.devices().devices.size();
  ExpectError(Status::kArg, {fmt::format("device: is {}", count)}, [&] { runtime.device(count); });
}

TEST(RuntimeTest, OpensADeviceOnce) {
  Runtime runtime({.memory_limit = 1 << 30}, std::make_shared<Logger>());
  EXPECT_EQ(runtime.FindOpenDevice(0), nullptr);
  EXPECT_EQ(runtime.MemoryOf(0).limit, uint64_t{1} << 30);
  const std::shared_ptr<Device> device = runtime.OpenDevice(0);
  EXPECT_EQ(runtime.OpenDevice(0), device);
  EXPECT_EQ(runtime.FindOpenDevice(0), device);
  EXPECT_EQ(runtime.MemoryOf(0).limit, uint64_t{1} << 30);
}

TEST(RuntimeTest, ACacheFolderThatCannotBeWritten) {
  Runtime runtime({.cache_dir = "/proc/no-such-folder"}, std::make_shared<Logger>());
  ExpectError(Status::kIo, {"/proc/no-such-folder"}, [&] { runtime.OpenDevice(0); });
}

}  // namespace
}  // namespace inference
