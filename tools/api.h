// The C handles of inference.h with C++ ownership, and its statuses as exceptions.
#pragma once

#include <inference.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace inference::tools {

// A call that failed, or a failure of the program itself that fits one of the library's statuses.
class ApiError : public std::runtime_error {
 public:
  ApiError(inf_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  inf_status status() const { return status_; }

 private:
  inf_status status_;
};

// Calls a function whose last argument is the inf_error. Throws ApiError for a negative status,
// returns the others.
template <class Function, class... Args>
inf_status Call(Function* function, Args... args) {
  inf_error error;
  error.struct_size = sizeof(error);
  error.msg_len = 0;
  const inf_status status = function(args..., &error);
  if (status < 0) throw ApiError(status, std::string(error.msg, error.msg_len));
  return status;
}

// An in or out struct of the library, zeroed, with its size set.
template <class T>
T Sized() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

template <class T, void (*Free)(T*)>
class Handle {
 public:
  Handle() = default;
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() { Free(handle_); }
  T* get() const { return handle_; }
  T** out() { return &handle_; }  // only while empty
  void Reset() { Free(std::exchange(handle_, nullptr)); }

 private:
  T* handle_ = nullptr;
};

using Config = Handle<inf_config, inf_config_free>;
using Runtime = Handle<inf_runtime, inf_runtime_free>;
using Cancel = Handle<inf_cancel, inf_cancel_free>;
using ModelList = Handle<inf_model_list, inf_model_list_free>;
using Model = Handle<inf_model, inf_model_free>;
using Adapter = Handle<inf_adapter, inf_adapter_free>;
using Tokenizer = Handle<inf_tokenizer, inf_tokenizer_free>;
using Chat = Handle<inf_chat, inf_chat_free>;
using Session = Handle<inf_session, inf_session_free>;
using Request = Handle<inf_request, inf_request_free>;
using Gen = Handle<inf_gen, inf_gen_free>;
using Inputs = Handle<inf_inputs, inf_inputs_free>;
using Items = Handle<inf_items, inf_items_free>;

// Memory that the library fills; reused by every call that gets out().
template <class T, void (*Free)(T*)>
class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { Free(&output_); }
  T* out() { return &output_; }
  auto span() const { return std::span(output_.data, output_.len); }
  std::string_view view() const { return {output_.data, output_.len}; }  // of text only

 private:
  T output_{};
};

using TextOutput = Output<inf_buf, inf_buf_free>;
using TokensOutput = Output<inf_tokens, inf_tokens_free>;
using FloatsOutput = Output<inf_floats, inf_floats_free>;

}  // namespace inference::tools
