#include "engine/model.h"

#include <algorithm>
#include <future>

#include "chat/chat_files.h"
#include "formats/finite.h"
#include "util/file.h"

namespace inference {

namespace {

std::shared_ptr<const TextProcessor> ReadTextProcessor(const Folder& folder,
                                                       const GgufMetadata* gguf) {
  auto text = std::make_shared<TextProcessor>();
  text->tokenizer = gguf ? LoadTokenizerGguf(*gguf) : LoadTokenizerFolder(folder);
  try {
    text->chat_template = gguf ? LoadChatTemplateGguf(*gguf) : LoadChatTemplateFolder(folder);
  } catch (const Error& error) {
    if (error.status() != Status::kTemplate) throw;
    text->template_error = error.what();
  }
  return text;
}

}  // namespace

const ChatTemplate& TextProcessor::GetTemplate() const {
  Require(template_error.empty(), Status::kTemplate, "{}", template_error);
  Require(chat_template.has_value(), Status::kState,
          "chat: the checkpoint has no chat template, and none was set");
  return *chat_template;
}

std::shared_ptr<const TextProcessor> LoadTextProcessor(const std::string& path,
                                                       bool allow_symlinks) {
  const Folder folder(path, allow_symlinks);
  if (IsDirectory(path)) return ReadTextProcessor(folder, nullptr);
  const Gguf gguf = OpenGgufFile(path);
  GgufPartNames(gguf.metadata);  // only the first part has a tokenizer
  return ReadTextProcessor(folder, &gguf.metadata);
}

std::shared_ptr<Model> Model::Load(std::shared_ptr<Runtime> runtime, const std::string& path,
                                   const LoadOptions& options, const ModelLoadHooks& hooks) {
  ThrowIfCancelled(hooks.cancel, "model load");
  const Checkpoint checkpoint = OpenCheckpoint(path, options.allow_symlinks);
  if (options.validate_weights) CheckFinite(checkpoint.tensors, hooks.cancel);
  const bool is_gguf = checkpoint.format == CheckpointFormat::kGguf;
  // Beside the weights: a vocabulary of 262,144 tokens takes as long as they do. Where both fail,
  // the weights' error is the one that is told.
  std::future<std::shared_ptr<const TextProcessor>> text =
      std::async(std::launch::async, ReadTextProcessor, Folder(path, options.allow_symlinks),
                 is_gguf ? &checkpoint.metadata : nullptr);
  std::shared_ptr<Model> model(new Model);
  model->device_index_ = runtime->FindDevice(options.device);
  model->device_ = runtime->OpenDevice(model->device_index_);
  model->runtime_ = std::move(runtime);
  model->network_ = LoadModel(checkpoint, model->device_, hooks, options.context_length);
  model->text_ = text.get();
  model->path_ = path;
  model->format_ = checkpoint.format;
  model->context_length_ =
      options.context_length == 0 ? model->network_->dims().context_length : options.context_length;
  model->prefill_chunk_ = std::min(options.prefill_chunk, model->context_length_);
  return model;
}

}  // namespace inference
