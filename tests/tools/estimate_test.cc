// estimate: a table, and the same as JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

TEST(Estimate, TableAndJson) {
  const Outcome json = Inference({"estimate", "--model", TinyModel(), "--n-ctx", "128", "--json"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const Json fit = json.lines().at(0);
  EXPECT_EQ(fit["context_length"], 128);
  EXPECT_EQ(fit["fits"], true);
  EXPECT_EQ(fit["missing_bytes"], 0);
  EXPECT_GT(fit["weight_bytes"], 100000);
  EXPECT_EQ(fit["kv_bytes"], 128 * fit["kv_bytes_per_token"].get<int64_t>());
  const Json info = Inference({"info", "--model", TinyModel(), "--json"}).lines().at(0);
  EXPECT_EQ(fit["weight_bytes"], info["weight_bytes"]);

  const Json halves = Inference({"estimate", "--model", TinyModel(), "--n-ctx", "128", "--kv-type",
                                 "f16", "--json"})
                          .lines()
                          .at(0);
  EXPECT_EQ(fit["kv_bytes"], 2 * halves["kv_bytes"].get<int64_t>());
  const Json q8 =
      Inference({"estimate", "--model", TinyModel(), "--n-ctx", "128", "--kv-type", "q8", "--json"})
          .lines()
          .at(0);
  // Heads of 32: a scale of two bytes each.
  EXPECT_EQ(fit["kv_bytes"].get<double>() * (32 + 2) / (32 * 4), q8["kv_bytes"].get<double>());
  EXPECT_EQ(Inference({"estimate", "--model", TinyModel(), "--kv-type", "f8"}).exit_code, 2);

  const Outcome table = Inference({"estimate", "--model", TinyModel(), "--n-ctx", "128"});
  EXPECT_EQ(table.exit_code, 0);
  for (const char* part :
       {"weights", "KV cache", "128 tokens", "scratch", "device limit", "Fits."}) {
    EXPECT_THAT(table.out, HasSubstr(part));
  }
}

TEST(Estimate, Errors) {
  EXPECT_THAT(Inference({"estimate", "--model", "/no/such"}).err,
              HasSubstr("inference: NOT_FOUND: "));
  EXPECT_EQ(Inference({"estimate", "--model", TinyModel(), "--n-ctx", "-1"}).exit_code, 2);
  // One name for each thing, and nothing that it does not look at.
  for (const std::string option : {"--context=8", "--validate-weights"}) {
    EXPECT_EQ(Inference({"estimate", "--model", TinyModel(), option}).exit_code, 2) << option;
  }
  const Outcome help = Inference({"estimate", "--help"});
  EXPECT_THAT(help.out, HasSubstr("Example:\n"));
}

}  // namespace
}  // namespace inference::tools_test
