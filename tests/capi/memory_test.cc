// Device memory through the C ABI: readings, limits, refusals, the warning.
#include <mutex>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

// A runtime of the test's own, whose memory nobody else uses, with the lines of its log.
struct Own {
  Own() { EXPECT_OK(inf_runtime_new(nullptr, OnLog, this, nullptr, runtime.out(), &err)); }
  static void OnLog(void* user, int32_t level, const char* part, size_t part_len, const char* msg,
                    size_t msg_len) {
    auto& self = *static_cast<Own*>(user);
    const std::lock_guard lock(self.mutex);
    if (level == INF_LOG_WARNING && std::string_view(part, part_len) == "memory") {
      self.warnings.emplace_back(msg, msg_len);
    }
  }
  inf_memory_desc Memory() const {
    auto desc = Sized<inf_memory_desc>();
    EXPECT_OK(inf_memory_info(runtime.get(), 0, &desc, &err));
    return desc;
  }
  Model Load() const {
    Model model;
    EXPECT_OK(inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                             nullptr, nullptr, model.out(), &err));
    return model;
  }

  std::mutex mutex;
  std::vector<std::string> warnings;
  Runtime runtime;  // goes first
};

Ids Generate(inf_session* session, int32_t tokens) {
  Collector got;
  EXPECT_OK(inf_generate(session, NewRequest(kPrompt, tokens).get(), Collector::OnEvent, &got,
                         nullptr, &err));
  return got.ids;
}

TEST(Memory, IsCounted) {
  const Own own;
  EXPECT_EQ(own.Memory().active_bytes, 0u);
  Model model = own.Load();
  const inf_memory_desc loaded = own.Memory();
  EXPECT_GT(loaded.active_bytes, 0u);
  EXPECT_GE(loaded.peak_bytes, loaded.active_bytes);
  model.reset();
  const inf_memory_desc freed = own.Memory();
  EXPECT_EQ(freed.active_bytes, 0u);
  EXPECT_GT(freed.cached_bytes, 0u);
  EXPECT_EQ(freed.peak_bytes, loaded.peak_bytes);
  ASSERT_OK(inf_memory_trim(own.runtime.get(), 0, &err));
  ASSERT_OK(inf_memory_reset_peak(own.runtime.get(), 0, &err));
  EXPECT_EQ(own.Memory().cached_bytes, 0u);
  EXPECT_EQ(own.Memory().peak_bytes, 0u);
}

TEST(Memory, SettersReturnTheEarlierLimit) {
  const Own own;
  inf_runtime* const runtime = own.runtime.get();
  const uint64_t first = own.Memory().limit_bytes;
  EXPECT_GT(first, 0u);
  uint64_t old = 7;
  ASSERT_OK(inf_memory_set_limit(runtime, 0, 1000, &old, &err));
  EXPECT_EQ(old, first);
  EXPECT_EQ(own.Memory().limit_bytes, 1000u);
  ASSERT_OK(inf_memory_set_limit(runtime, 0, INF_NO_LIMIT, &old, &err));
  EXPECT_EQ(old, 1000u);
  EXPECT_EQ(own.Memory().limit_bytes, INF_NO_LIMIT);
  own.Load();  // which has room
  ASSERT_OK(inf_memory_set_limit(runtime, 0, 0, nullptr, &err));
  EXPECT_EQ(own.Memory().limit_bytes, first);

  ASSERT_OK(inf_memory_set_cache_limit(runtime, 0, INF_NO_LIMIT, &old, &err));
  EXPECT_EQ(old, uint64_t{256} << 20);
  EXPECT_GT(own.Memory().cached_bytes, 0u);  // the model's
  ASSERT_OK(inf_memory_set_cache_limit(runtime, 0, 0, &old, &err));
  EXPECT_EQ(old, INF_NO_LIMIT);
  EXPECT_EQ(own.Memory().cached_bytes, 0u);
  own.Load();
  EXPECT_EQ(own.Memory().cached_bytes, 0u);  // nothing is kept
  EXPECT_EQ(own.Memory().cache_limit_bytes, 0u);

  old = 7;
  EXPECT_FAILS(INF_E_ARG, "device: is 4294967295",
               inf_memory_set_limit(runtime, ~0u, 1, &old, &err));
  EXPECT_FAILS(INF_E_ARG, "device: is 4294967295",
               inf_memory_set_cache_limit(runtime, ~0u, 1, &old, &err));
  EXPECT_EQ(old, 7u);
}

TEST(Memory, TheOptionIsWhatZeroMeans) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "memory_limit", 12, 1000, &err));
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(config.get(), nullptr, nullptr, nullptr, runtime.out(), &err));
  ASSERT_OK(inf_memory_set_limit(runtime.get(), 0, 5000, nullptr, &err));
  uint64_t old = 0;
  ASSERT_OK(inf_memory_set_limit(runtime.get(), 0, 0, &old, &err));
  EXPECT_EQ(old, 5000u);
  auto memory = Sized<inf_memory_desc>();
  ASSERT_OK(inf_memory_info(runtime.get(), 0, &memory, &err));
  EXPECT_EQ(memory.limit_bytes, 1000u);
}

TEST(Memory, ALoadThatDoesNotFitLeavesNothing) {
  const Own own;
  ASSERT_OK(inf_memory_set_limit(own.runtime.get(), 0, 200'000, nullptr, &err));
  Model model;
  const auto refused = [&](inf_error* err) {
    const inf_status status =
        inf_model_load(own.runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                       nullptr, nullptr, model.out(), err);
    EXPECT_THAT(err->msg,
                testing::ContainsRegex("[0-9]+ bytes wanted, [0-9]+ active, limit 200000"));
    return status;
  };
  EXPECT_FAILS(INF_E_OOM_DEVICE, "limit 200000", refused(&err));
  EXPECT_EQ(model.get(), nullptr);
  EXPECT_EQ(own.Memory().active_bytes, 0u);
  ASSERT_OK(inf_memory_set_limit(own.runtime.get(), 0, 0, nullptr, &err));
  own.Load();
}

// The session keeps what it held, and goes on with the same bits once there is room.
TEST(Memory, ARequestThatDoesNotFitIsRefused) {
  const Own own;
  const Model model = own.Load();
  const Ids want = [&] {
    const Session session = NewSession(0, model.get());
    Generate(session.get(), 4);
    return Generate(session.get(), 8);
  }();
  const uint64_t before = own.Memory().active_bytes;
  {
    const Session session = NewSession(0, model.get());
    Generate(session.get(), 4);
    const uint64_t length = inf_session_length(session.get());
    const Ids longer(200, kPrompt[1]);  // needs keys and values that were not reserved yet
    const uint64_t active = own.Memory().active_bytes;
    ASSERT_OK(inf_memory_set_limit(own.runtime.get(), 0, active + 100, nullptr, &err));
    EXPECT_FAILS(
        INF_E_OOM_DEVICE, " active, limit " + std::to_string(active + 100),
        inf_generate(session.get(), NewRequest(longer).get(), nullptr, nullptr, nullptr, &err));
    EXPECT_EQ(inf_session_length(session.get()), length);
    EXPECT_LE(own.Memory().active_bytes, active);
    ASSERT_OK(inf_memory_set_limit(own.runtime.get(), 0, 0, nullptr, &err));
    EXPECT_EQ(Generate(session.get(), 8), want);
  }
  EXPECT_EQ(own.Memory().active_bytes, before);
}

TEST(Memory, MoreThanThreeTimesTheWeightsIsWarnedOfOnce) {
  Own own;
  for (int crossing = 1; crossing <= 2; ++crossing) {
    const Model model = own.Load();  // the pages of keys and values go with it
    auto desc = Sized<inf_model_desc>();
    ASSERT_OK(inf_model_info(model.get(), &desc, &err));
    std::vector<Session> sessions;
    const size_t before = own.warnings.size();
    while (own.Memory().active_bytes <= 3 * desc.weight_bytes) {
      sessions.push_back(NewSession(0, model.get()));
      Generate(sessions.back().get(), 40);
    }
    const size_t warned = own.warnings.size();
    ASSERT_GT(warned, before);  // maybe twice: while pages move, old and new ones are there
    sessions.push_back(NewSession(0, model.get()));
    Generate(sessions.back().get(), 40);  // still above
    ASSERT_EQ(own.warnings.size(), warned);
    EXPECT_THAT(own.warnings.back(),
                testing::AllOf(
                    testing::HasSubstr("more than 3 times what its models weigh"),
                    testing::ContainsRegex("active_mb [0-9]+, model_mb [0-9]+, peak_mb [0-9]+")));
  }
}

}  // namespace
}  // namespace inference::capi_test
