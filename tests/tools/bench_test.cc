// bench: a table, the same as JSON, and the profile, whose parts are those of the model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

// Few tokens, one run.
std::vector<std::string> Bench(const std::vector<std::string>& more) {
  std::vector<std::string> out = {"bench", "--model",      TinyModel(), "--prompt-tokens",
                                  "40",    "--gen-tokens", "3",         "--repetitions",
                                  "1"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

TEST(Bench, TableAndJson) {
  const Outcome json = Inference(Bench({"--json"}));
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const Json line = json.lines().at(0);
  EXPECT_EQ(line["prompt_tokens"], 40);
  EXPECT_EQ(line["gen_tokens"], 3);
  EXPECT_EQ(line["repetitions"], 1);
  const Json info = Inference({"info", "--model", TinyModel(), "--json"}).lines().at(0);
  EXPECT_EQ(line["decode_bytes_per_token"], info["decode_bytes_per_token"]);
  for (const char* key : {"prefill_tok_s", "decode_tok_s", "load_s", "first_token_s", "read_gb_s",
                          "share_of_read_bandwidth", "peak_rss_mb"}) {
    EXPECT_GT(line[key], 0.0) << key;
  }
  const Outcome table = Inference(Bench({}));
  EXPECT_EQ(table.exit_code, 0);
  for (const char* part : {"llama BF16", "prefill", "40 tokens", "decode", "tok/s", "first token",
                           "GB/s", "peak memory"}) {
    EXPECT_THAT(table.out, HasSubstr(part));
  }
}

uint64_t Launches(const Json& stage, const std::string& kernel) {
  uint64_t sum = 0;
  for (const Json& entry : stage["kernels"]) {
    if (entry["kernel"] == kernel) sum += entry["launches"].get<uint64_t>();
  }
  return sum;
}

TEST(Bench, ProfilesPartsAddUp) {
  const Outcome outcome = Inference(Bench({"--profile", "--json"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json profile = outcome.lines().at(0);
  const Json info = Inference({"info", "--model", TinyModel(), "--json"}).lines().at(0);
  EXPECT_GT(profile["read_gb_s"], 0.0);
  EXPECT_GT(profile["gemm_gflop_s"], 0.0);
  EXPECT_EQ(profile["prefill"]["tokens"], 40);
  EXPECT_EQ(profile["decode"]["tokens"], 3);
  EXPECT_EQ(Launches(profile["prefill"], "attend"), 3u);  // layers, in one chunk
  EXPECT_EQ(Launches(profile["prefill"], "sample_pick"), 1u);
  EXPECT_EQ(Launches(profile["decode"], "rope_append"), 9u);
  EXPECT_EQ(Launches(profile["decode"], "sample_pick"), 3u);

  for (const char* name : {"prefill", "decode"}) {
    const Json stage = profile[name];
    uint64_t ns = 0;
    for (const Json& kernel : stage["kernels"]) {
      ns += kernel["ns"].get<uint64_t>();
      const double bytes = kernel["weight_bytes"].get<double>() +
                           kernel["read_bytes"].get<double>() +
                           kernel["written_bytes"].get<double>();
      if (kernel["ns"] == 0) continue;  // shorter than the driver's clock
      const double memory = bytes / kernel["ns"].get<double>();
      const double arithmetic = kernel["flops"].get<double>() / kernel["ns"].get<double>();
      EXPECT_NEAR(kernel["gb_s"], memory, 1e-6 * memory);
      EXPECT_NEAR(kernel["gflop_s"], arithmetic, 1e-6 * arithmetic);
      const double shares[] = {memory / profile["read_gb_s"].get<double>(),
                               arithmetic / profile["gemm_gflop_s"].get<double>()};
      const bool by_memory = kernel["limit"] == "memory";
      EXPECT_NEAR(kernel["share_of_limit"], shares[by_memory ? 0 : 1], 1e-9);
      EXPECT_GE(shares[by_memory ? 0 : 1], shares[by_memory ? 1 : 0]);
    }
    EXPECT_NEAR(stage["kernels_s"], static_cast<double>(ns) / 1e9, 1e-12);
    EXPECT_GT(stage["usual_s"], 0.0);
  }
  uint64_t weights = 0;
  for (const Json& kernel : profile["decode"]["kernels"]) {
    weights += kernel["weight_bytes"].get<uint64_t>();
  }
  // The count of inf_model_info, but for the sixteen frequencies of the rotation.
  EXPECT_EQ(weights, 3 * (info["decode_bytes_per_token"].get<uint64_t>() - 16 * 4));
}

TEST(Bench, ProfileAsATable) {
  const Outcome table = Inference(Bench({"--profile"}));
  ASSERT_EQ(table.exit_code, 0) << table.err;
  for (const char* part :
       {"limits: memory", "Prefill, 40 tokens", "Decode, one token (mean of 3)", "attend",
        "BF16 512x128", "all kernels", "between kernels", "of its limit"}) {
    EXPECT_THAT(table.out, HasSubstr(part));
  }
}

TEST(Bench, Errors) {
  EXPECT_THAT(Inference({"bench", "--model", "/no/such", "--profile"}).err,
              HasSubstr("inference: NOT_FOUND: "));
  EXPECT_EQ(Inference(Bench({"--gen-tokens", "1"})).exit_code, 2);
  EXPECT_EQ(Inference({"bench", "--model", TinyModel(), "--repetitions", "0"}).exit_code, 2);
  const Outcome both =
      Inference({"bench", "--model", TinyModel(), "--ids", "1,2", "--prompt-tokens", "4"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--ids"));
  EXPECT_THAT(Inference({"bench", "--model", TinyModel(), "--ids", "1,600"}).err,
              HasSubstr("inference: ARG: token 1: id is 600"));
  const Outcome help = Inference({"bench", "--help"});
  EXPECT_THAT(help.out, HasSubstr("--profile"));
  EXPECT_THAT(help.out, HasSubstr("Example:\n"));
}

}  // namespace
}  // namespace inference::tools_test
