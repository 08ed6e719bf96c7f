// The tiny models of tests/data, loaded once for a test program.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "engine/generator.h"
#include "engine/model.h"
#include "formats/json.h"

namespace inference {

using Ids = std::vector<int32_t>;

inline std::string TinyPath(const std::string& name) {
  return INFERENCE_TEST_DATA "/golden/tiny/" + name + "/model";
}

inline Json TinyGolden(const std::string& name) {
  return ReadJsonFile(INFERENCE_TEST_DATA "/golden/tiny/" + name + "/golden.json", 1 << 20);
}

// Goes at the end of the tests and not of the process: a device that outlives main() is not closed.
struct TestModels : testing::Environment {
  void TearDown() override {
    models.clear();
    runtime.reset();
  }
  std::shared_ptr<Runtime> runtime;
  // By name, chunk, and type of keys and values.
  std::map<std::tuple<std::string, int64_t, DType>, std::shared_ptr<Model>> models;
};
inline TestModels* const kTestModels =
    static_cast<TestModels*>(testing::AddGlobalTestEnvironment(new TestModels));

inline const std::shared_ptr<Runtime>& TestRuntime() {
  std::shared_ptr<Runtime>& runtime = kTestModels->runtime;
  if (!runtime) {
    runtime = std::make_shared<Runtime>(RuntimeOptions{}, std::make_shared<Logger>());
  }
  return runtime;
}

inline std::shared_ptr<Model> TinyModel(const std::string& name, int64_t prefill_chunk = 256,
                                        DType kv_type = DType::kF32) {
  std::shared_ptr<Model>& model = kTestModels->models[{name, prefill_chunk, kv_type}];
  if (!model) {
    // What one test has computed must not spare the next one its work.
    const LoadOptions options{
        .prefill_chunk = prefill_chunk, .kv_type = kv_type, .prefix_cache = 0};
    model = Model::Load(TestRuntime(), TinyPath(name), options, {});
  }
  return model;
}

struct TinyCase {
  const char* name;
  DType kv_type = DType::kF32;

  std::shared_ptr<Model> Load(int64_t prefill_chunk = 256) const {
    return TinyModel(name, prefill_chunk, kv_type);
  }
};
inline std::ostream& operator<<(std::ostream& out, const TinyCase& c) {
  return out << c.name << ", kv " << InfoOf(c.kv_type).name;
}

// The logits after every id, computed in chunks that the model allows.
inline std::vector<float> LogitsOf(Session& session, const Ids& ids) {
  const auto vocab_size = static_cast<size_t>(session.model().network().dims().vocab_size);
  const auto chunk = static_cast<size_t>(session.logits_chunk());
  std::vector<float> logits(ids.size() * vocab_size);
  for (size_t done = 0; done < ids.size(); done += chunk) {
    const size_t n = std::min(chunk, ids.size() - done);
    session.PrefillLogits(std::span(ids).subspan(done, n),
                          std::span(logits).subspan(done * vocab_size, n * vocab_size));
  }
  return logits;
}

}  // namespace inference
