// What each handle stands for, and how a call gets hold of it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "capi/handle_table.h"
#include "capi/options.h"
#include "chat/render_chat.h"
#include "chat/template_set.h"
#include "engine/adapter.h"
#include "engine/discover.h"
#include "engine/generator.h"
#include "engine/model.h"
#include "engine/runtime.h"
#include "engine/session.h"
#include "inference.h"

namespace inference::capi {

// An object that one call at a time may use: see Hold.
struct ExclusiveObject {
  std::atomic<bool> busy{false};
};

struct ConfigObject : ExclusiveObject {
  std::map<std::string, OptionValue, std::less<>> values;
};

// Whether `config`, which may be null, sets the option `key` to 1. BUSY as Acquire.
bool FlagOption(const inf_config* config, const char* key);
TextOptions TextOptionsFrom(const inf_config* config);  // defaults where it is null; BUSY too

struct RuntimeObject {
  std::shared_ptr<Runtime> runtime;
};

struct ModelListObject {
  std::vector<FoundModel> models;
};

struct ModelObject {
  std::shared_ptr<Model> model;
  std::string quantization;  // lent to inf_model_desc, which wants NUL at the end
};

struct AdapterObject {
  std::shared_ptr<const Adapter> adapter;
};
// The adapters and scales of a call. ARG naming the parameter, HANDLE naming the index.
AdapterSet AdaptersArg(const inf_adapter* const* adapters, const float* scales, size_t n);

struct TokenizerObject {
  std::shared_ptr<const TextProcessor> text;
};

struct DetokObject : ExclusiveObject {
  DetokObject(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special)
      : decoder(std::move(tokenizer), skip_special) {}
  StreamingDecoder decoder;
};

// Templates write the special tokens themselves.
constexpr EncodeOptions kRenderedChat{.add_special = false, .parse_special = true};

// What a rendering needs; a request copies it.
struct Conversation {
  std::shared_ptr<const TextProcessor> text;
  TemplateChoice chosen;  // instead of what `text` chooses
  OrderedJson messages = OrderedJson::array();
  OrderedJson variables = OrderedJson::object();

  std::string Render(const ChatRendering& rendering) const;  // also STATE without any template
};

struct ChatObject : ExclusiveObject {
  Conversation conversation;
};

struct SessionObject : ExclusiveObject {
  std::shared_ptr<Session> session;
};

struct TextPrompt {
  std::string text;
  EncodeOptions options;
};

struct RequestObject : ExclusiveObject {
  std::variant<std::monostate, TextPrompt, std::vector<int32_t>, Conversation> prompt;
  GenerateRequest wanted;  // but for the prompt
};

struct GenObject;
struct BatchObject;

template <typename Handle>
struct HandleTraits;

#define INF_HANDLE(handle, object, handle_type)                  \
  template <>                                                    \
  struct HandleTraits<handle> {                                  \
    using Object = object;                                       \
    static constexpr HandleType kType = HandleType::handle_type; \
    static constexpr const char* kName = #handle;                \
  }
INF_HANDLE(inf_config, ConfigObject, kConfig);
INF_HANDLE(inf_runtime, RuntimeObject, kRuntime);
INF_HANDLE(inf_cancel, CancelFlag, kCancel);
INF_HANDLE(inf_model_list, ModelListObject, kModelList);
INF_HANDLE(inf_model, ModelObject, kModel);
INF_HANDLE(inf_adapter, AdapterObject, kAdapter);
INF_HANDLE(inf_tokenizer, TokenizerObject, kTokenizer);
INF_HANDLE(inf_detok, DetokObject, kDetok);
INF_HANDLE(inf_chat, ChatObject, kChat);
INF_HANDLE(inf_session, SessionObject, kSession);
INF_HANDLE(inf_request, RequestObject, kRequest);
INF_HANDLE(inf_gen, GenObject, kGen);
INF_HANDLE(inf_batch, BatchObject, kBatch);
#undef INF_HANDLE

template <typename Handle>
using ObjectOf = typename HandleTraits<Handle>::Object;

// The object of a handle; `name` is the parameter. ARG for NULL, HANDLE for what is not live.
template <typename Handle>
std::shared_ptr<ObjectOf<Handle>> Lookup(const Handle* handle, const char* name) {
  using Traits = HandleTraits<Handle>;
  Require(handle != nullptr, Status::kArg, "{}: is NULL", name);
  std::shared_ptr<void> object = FindHandle(handle, Traits::kType);
  Require(object != nullptr, Status::kHandle, "{}: is not a live {} (freed, or another object)",
          name, Traits::kName);
  return std::static_pointer_cast<ObjectOf<Handle>>(std::move(object));
}

// The same for an argument that may be NULL.
template <typename Handle>
std::shared_ptr<ObjectOf<Handle>> LookupOptional(const Handle* handle, const char* name) {
  return handle == nullptr ? nullptr : Lookup(handle, name);
}

template <typename Handle>
Handle* NewHandle(std::shared_ptr<ObjectOf<Handle>> object) {
  return static_cast<Handle*>(AddHandle(HandleTraits<Handle>::kType, std::move(object)));
}

template <typename Handle>
void FreeHandle(const Handle* handle) noexcept {
  RemoveHandle(handle, HandleTraits<Handle>::kType);
}

// Keeps an object alive and busy for as long as it lives; BUSY where it already is.
template <typename Object>
class Hold {
 public:
  Hold(std::shared_ptr<Object> object, const char* name) : object_(std::move(object)) {
    Require(!object_->busy.exchange(true), Status::kBusy,
            "{}: is in use by a call on another thread, or by one that called you", name);
  }
  Hold(Hold&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Hold& operator=(Hold&&) = delete;
  ~Hold() {
    if (object_) object_->busy.store(false);
  }

  Object* operator->() const { return object_.get(); }
  Object& operator*() const { return *object_; }

 private:
  std::shared_ptr<Object> object_;
};

template <typename Handle>
Hold<ObjectOf<Handle>> Acquire(const Handle* handle, const char* name) {
  return {Lookup(handle, name), name};
}

}  // namespace inference::capi
