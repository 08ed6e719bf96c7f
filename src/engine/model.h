// A loaded checkpoint: network, tokenizer, chat template, and the device it lives on.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "chat/template_set.h"
#include "engine/executor.h"
#include "engine/prefix_cache.h"
#include "engine/runtime.h"
#include "models/checkpoint.h"
#include "nn/causal_lm.h"
#include "tokenizer/tokenizer.h"

namespace inference {

// Tokenizer and chat templates of a GGUF file or a folder; needs no device and reads no weights.
struct TextProcessor {
  std::shared_ptr<const Tokenizer> tokenizer;
  TemplateSet templates;                               // the checkpoint's
  TemplateChoice chosen;                               // for all chats, by the option
  int64_t template_effort = 1;                         // see ChatTemplate::Render
  OrderedJson special_tokens = OrderedJson::object();  // variables of every template
};

struct TextOptions {
  bool allow_symlinks = false;  // see Folder
  std::string chat_template;    // see ChooseTemplate; "" = the checkpoint's
  int64_t template_effort = 1;  // 1..kMaxTemplateEffort
};
std::shared_ptr<const TextProcessor> LoadTextProcessor(const std::string& path,
                                                       const TextOptions& options = {});

struct LoadOptions {
  std::string device;           // index, name part or type; "" = default
  int64_t context_length = 0;   // 0 = what the model was made for
  int64_t prefill_chunk = 512;  // tokens a step
  DType kv_type = DType::kF32;  // of the sessions' keys and values: or kF16, kQ8_0
  uint64_t kv_limit = 0;        // bytes of all sessions' keys and values; 0 = the device's limit
  // Bytes that PrefixCache may have for itself, 0 = there is none; nothing: 256 MiB, but no more
  // than the weights take, nor an eighth of what the device's limit (and kv_limit) leaves beside
  // them.
  std::optional<uint64_t> prefix_cache;
  bool round_activations = false;  // see Recording::RoundActivations
  int64_t parallel_slots = 1;      // calls that share a step (StepMerger); 0 and 1: none do
  TextOptions text;
  bool validate_weights = false;  // look at every value: NUMERIC for one that is not finite
};

class Model {
 public:
  static std::shared_ptr<Model> Load(std::shared_ptr<Runtime> runtime, const std::string& path,
                                     const LoadOptions& options, const ModelLoadHooks& hooks);
  const CausalLm& network() const { return *network_; }
  Runtime& runtime() const { return *runtime_; }
  const std::shared_ptr<Device>& device() const { return device_; }
  size_t device_index() const { return device_index_; }
  const std::shared_ptr<const TextProcessor>& text() const { return text_; }
  const std::string& path() const { return path_; }
  CheckpointFormat format() const { return format_; }
  int64_t context_length() const { return context_length_; }
  int64_t prefill_chunk() const { return prefill_chunk_; }
  std::vector<LayerCacheSpec> cache_specs() const;  // of the network, with the option's kv_type
  Executor& executor() const { return *executor_; }
  PrefixCache* prefix_cache() const { return prefix_cache_.get(); }  // null: none
  // Names what keys and values depend on beside the ids and adapters: config, weights, how they are
  // computed. Any thread; the first call reads all the weights.
  const std::string& fingerprint() const;
  bool rounds_activations() const { return rounds_activations_; }
  DType kv_type() const { return kv_type_; }
  void Trim();  // what no session has goes back to the device: cached prefixes, recordings
  // ARG naming the first id that is not in the vocabulary, and its index.
  void CheckIds(std::span<const int32_t> ids) const;
  // That, ARG where the ids are none, and CONTEXT_FULL where they are too many.
  void CheckText(std::span<const int32_t> ids) const;

 private:
  Model() = default;
  std::shared_ptr<Runtime> runtime_;  // before what hangs on it
  ModelListing listing_;
  std::shared_ptr<Device> device_;
  size_t device_index_ = 0;
  std::unique_ptr<CausalLm> network_;
  std::shared_ptr<const TextProcessor> text_;
  std::string path_;
  CheckpointFormat format_ = CheckpointFormat::kGguf;
  int64_t context_length_ = 0;
  int64_t prefill_chunk_ = 0;
  DType kv_type_ = DType::kF32;
  bool rounds_activations_ = false;
  std::string config_text_;
  mutable std::once_flag has_fingerprint_;
  mutable std::string fingerprint_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<PrefixCache> prefix_cache_;
};

}  // namespace inference
