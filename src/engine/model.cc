#include "engine/model.h"

#include <algorithm>
#include <future>

#include "chat/chat_files.h"
#include "util/file.h"

namespace inference {

namespace {

std::shared_ptr<const TextProcessor> ReadTextProcessor(const std::string& path,
                                                       const GgufMetadata* gguf) {
  auto text = std::make_shared<TextProcessor>();
  text->tokenizer = gguf ? LoadTokenizerGguf(*gguf) : LoadTokenizerFolder(path);
  try {
    text->chat_template = gguf ? LoadChatTemplateGguf(*gguf) : LoadChatTemplateFolder(path);
  } catch (const Error& error) {
    if (error.status() != Status::kTemplate) throw;
    text->template_error = error.what();
  }
  return text;
}

int64_t ContextLength(const std::string& path, int64_t wanted, int64_t trained) {
  Require(wanted >= 0 && wanted <= trained, Status::kArg,
          "{}: n_ctx is {}, the model was made for at most {}", Quote(path), wanted, trained);
  return wanted == 0 ? trained : wanted;
}

}  // namespace

const ChatTemplate& TextProcessor::GetTemplate() const {
  Require(template_error.empty(), Status::kTemplate, "{}", template_error);
  Require(chat_template.has_value(), Status::kState,
          "chat: the checkpoint has no chat template, and none was set");
  return *chat_template;
}

std::shared_ptr<const TextProcessor> LoadTextProcessor(const std::string& path) {
  if (IsDirectory(path)) return ReadTextProcessor(path, nullptr);
  const Gguf gguf = OpenGguf(path);
  return ReadTextProcessor(path, &gguf.metadata);
}

std::shared_ptr<Model> Model::Load(std::shared_ptr<Runtime> runtime, const std::string& path,
                                   const LoadOptions& options, const ModelLoadHooks& hooks) {
  ThrowIfCancelled(hooks.cancel, "model load");
  const Checkpoint checkpoint = OpenCheckpoint(path);
  const bool is_gguf = checkpoint.format == CheckpointFormat::kGguf;
  // Beside the weights: a vocabulary of 262,144 tokens takes as long as they do. Where both fail,
  // the weights' error is the one that is told.
  std::future<std::shared_ptr<const TextProcessor>> text = std::async(
      std::launch::async, ReadTextProcessor, path, is_gguf ? &checkpoint.metadata : nullptr);
  std::shared_ptr<Model> model(new Model);
  model->device_index_ = runtime->FindDevice(options.device);
  model->device_ = runtime->OpenDevice(model->device_index_);
  model->runtime_ = std::move(runtime);
  model->network_ = LoadModel(checkpoint, model->device_, hooks);
  model->text_ = text.get();
  model->path_ = path;
  model->format_ = checkpoint.format;
  model->context_length_ =
      ContextLength(path, options.context_length, model->network_->dims().context_length);
  model->prefill_chunk_ = std::min(options.prefill_chunk, model->context_length_);
  return model;
}

}  // namespace inference
