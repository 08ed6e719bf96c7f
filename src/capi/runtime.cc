#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

namespace inference::capi {

namespace {

// The host's log function and its data; whoever may still log shares it.
struct LogTarget {
  inf_log_fn log = nullptr;
  void* user = nullptr;
  void (*user_free)(void*) = nullptr;  // set once the runtime is there

  ~LogTarget() {
    if (user_free == nullptr) return;
    GuardOr(0, [&] { return user_free(user), 0; });
  }
};

Logger::Sink SinkOf(const std::shared_ptr<LogTarget>& target) {
  // Without a log function, too, the sink owns `target`: it says when the runtime is gone.
  return [target](LogLevel level, std::string_view part, std::string_view message) {
    if (target->log == nullptr) return;
    GuardOr(0, [&] {
      target->log(target->user, static_cast<int32_t>(level), part.data(), part.size(),
                  message.data(), message.size());
      return 0;
    });
  };
}

RuntimeOptions OptionsFrom(const inf_config* config) {
  RuntimeOptions options;
  if (config == nullptr) return options;
  const Hold held = Acquire(config, "config");
  const auto& values = held->values;
  if (const auto it = values.find("cache_dir"); it != values.end()) {
    options.cache_dir = std::get<std::string>(it->second);
  }
  if (const auto it = values.find("memory_limit"); it != values.end()) {
    options.memory_limit = static_cast<uint64_t>(std::get<int64_t>(it->second));
  }
  return options;
}

}  // namespace

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_runtime_new(const inf_config* config, inf_log_fn log, void* user,
                           void (*user_free)(void* user), inf_runtime** out, inf_error* err) {
  return Guard(err, [&] {
    RequireOut(out, "out");
    RuntimeOptions options = OptionsFrom(config);
    const auto target = std::make_shared<LogTarget>(LogTarget{log, user, nullptr});
    auto runtime =
        std::make_shared<Runtime>(std::move(options), std::make_shared<Logger>(SinkOf(target)));
    *out =
        NewHandle<inf_runtime>(std::make_shared<RuntimeObject>(RuntimeObject{std::move(runtime)}));
    target->user_free = user_free;
  });
}

void inf_runtime_free(inf_runtime* runtime) { FreeHandle(runtime); }

inf_status inf_runtime_set_log_level(inf_runtime* runtime, int32_t level, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    Require(level >= INF_LOG_ERROR && level <= INF_LOG_DEBUG, Status::kArg,
            "level: is {}, want {} to {}", level, INF_LOG_ERROR, INF_LOG_DEBUG);
    object->runtime->logger().SetLevel(static_cast<LogLevel>(level));
  });
}

inf_status inf_runtime_metrics(const inf_runtime* runtime, inf_buf* json, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    RequireBuffer(json, "json");
    FillBuffer(json, object->runtime->DescribeMetrics());
  });
}

}  // extern "C"
