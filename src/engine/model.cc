#include "engine/model.h"

#include <algorithm>
#include <future>

#include "chat/chat_files.h"
#include "engine/fingerprint.h"
#include "formats/finite.h"
#include "util/file.h"

namespace inference {

namespace {

constexpr uint64_t kPrefixCacheBytes = uint64_t{256} << 20;

uint64_t DefaultPrefixCache(const MemoryStats& memory, uint64_t weight_bytes, uint64_t kv_limit) {
  uint64_t room = memory.limit - std::min(memory.limit, memory.active);
  if (kv_limit != 0) room = std::min(room, kv_limit);
  return std::min({kPrefixCacheBytes, weight_bytes, room / 8});
}

// `path` is a folder where `gguf` is null.
std::shared_ptr<const TextProcessor> ReadTextProcessor(const std::string& path,
                                                       const TextOptions& options,
                                                       const GgufMetadata* gguf) {
  auto text = std::make_shared<TextProcessor>();
  OrderedJson& tokens = text->special_tokens;
  if (gguf != nullptr) {
    text->tokenizer = LoadTokenizerGguf(*gguf);
    text->templates = LoadChatTemplatesGguf(*gguf);
    tokens = LoadSpecialTokensGguf(*gguf, *text->tokenizer);
  } else {
    const TextFolder files(Folder(path, options.allow_symlinks));
    text->tokenizer = LoadTokenizerFolder(files);
    text->templates = LoadChatTemplatesFolder(files);
    tokens = LoadSpecialTokensFolder(files);
  }
  if (text->tokenizer->bos()) tokens["bos_token"] = text->tokenizer->bos_text();
  if (text->tokenizer->eos()) tokens["eos_token"] = text->tokenizer->eos_text();
  text->template_effort = options.template_effort;
  if (!options.chat_template.empty()) {
    text->chosen = ChooseTemplate(text->templates, options.chat_template);
  }
  return text;
}

}  // namespace

std::shared_ptr<const TextProcessor> LoadTextProcessor(const std::string& path,
                                                       const TextOptions& options) {
  if (IsDirectory(path)) return ReadTextProcessor(path, options, nullptr);
  const Gguf gguf = OpenGgufFile(path);
  GgufPartNames(gguf.metadata);  // only the first part has a tokenizer
  return ReadTextProcessor(path, options, &gguf.metadata);
}

std::shared_ptr<Model> Model::Load(std::shared_ptr<Runtime> runtime, const std::string& path,
                                   const LoadOptions& options, const ModelLoadHooks& hooks) {
  ThrowIfCancelled(hooks.cancel, "model load");
  const Checkpoint checkpoint = OpenCheckpoint(path, options.text.allow_symlinks);
  if (options.validate_weights) CheckFinite(checkpoint.tensors, hooks.cancel);
  const bool is_gguf = checkpoint.format == CheckpointFormat::kGguf;
  // Beside the weights: a vocabulary of 262,144 tokens takes as long as they do. Where both fail,
  // the weights' error is the one that is told. By an absolute path: the host may go elsewhere.
  std::future<std::shared_ptr<const TextProcessor>> text =
      std::async(std::launch::async, ReadTextProcessor, AbsolutePath(path), options.text,
                 is_gguf ? &checkpoint.metadata : nullptr);
  std::shared_ptr<Model> model(new Model);
  model->device_index_ = runtime->FindDevice(options.device);
  model->device_ = runtime->OpenDevice(model->device_index_);
  model->runtime_ = std::move(runtime);
  model->listing_ = model->runtime_->ListModel(model->device_index_, path);
  model->network_ = LoadModel(checkpoint, model->device_, hooks, options.context_length);
  model->text_ = text.get();
  model->path_ = path;
  model->format_ = checkpoint.format;
  model->context_length_ =
      options.context_length == 0 ? model->network_->dims().context_length : options.context_length;
  model->prefill_chunk_ = std::min(options.prefill_chunk, model->context_length_);
  model->kv_type_ = options.kv_type;
  model->rounds_activations_ = options.round_activations;
  model->config_text_ = ConfigText(checkpoint);
  model->executor_ = std::make_unique<Executor>(
      model->device_, *model->network_,
      ExecutorOptions{.max_length = model->context_length_,
                      // At least what a pair of rows takes.
                      .max_tokens = std::max<int64_t>(model->prefill_chunk_, 2),
                      .cache_specs = model->cache_specs(),
                      .kv_limit = options.kv_limit,
                      .rounds_activations = options.round_activations,
                      .parallel_slots = options.parallel_slots});
  const uint64_t prefix_bytes = options.prefix_cache.value_or(DefaultPrefixCache(
      model->device_->memory(), model->network_->stats().bytes, options.kv_limit));
  if (prefix_bytes > 0) {
    model->prefix_cache_ = std::make_unique<PrefixCache>(model->executor_->cache(), prefix_bytes);
  }
  model->listing_.Loaded(model);
  return model;
}

const std::string& Model::fingerprint() const {
  std::call_once(has_fingerprint_,
                 [&] { fingerprint_ = Fingerprint(*device_, config_text_, network_->weights()); });
  return fingerprint_;
}

void Model::Trim() {
  device_->Run([&] { executor_->Trim(); });
}

void Model::CheckText(std::span<const int32_t> ids) const {
  Require(!ids.empty(), Status::kArg, "text: has no tokens, want 1 at least");
  Require(ids.size() <= static_cast<size_t>(context_length_), Status::kContextFull,
          "text: {} tokens do not fit, the model's context is {}", ids.size(), context_length_);
  CheckIds(ids);
}

void Model::CheckIds(std::span<const int32_t> ids) const {
  const int64_t vocab_size = network_->dims().vocab_size;
  for (size_t i = 0; i < ids.size(); ++i) {
    Require(ids[i] >= 0 && ids[i] < vocab_size, Status::kArg,
            "token {}: id is {}, the vocabulary is 0..{}", i, ids[i], vocab_size - 1);
  }
}

std::vector<LayerCacheSpec> Model::cache_specs() const {
  return WithType(network_->cache_specs(), kv_type_);
}

}  // namespace inference
