// logits: the safetensors file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::StartsWith;

struct File {
  uint64_t header_size = 0;
  Json header;
  std::vector<float> data;
};

File Read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  File file;
  stream.read(reinterpret_cast<char*>(&file.header_size), 8);
  std::string header(file.header_size, '\0');
  stream.read(header.data(), static_cast<std::streamsize>(header.size()));
  file.header = Json::parse(header);
  const std::string rest{std::istreambuf_iterator<char>(stream), {}};
  file.data.resize(rest.size() / sizeof(float));
  std::memcpy(file.data.data(), rest.data(), file.data.size() * sizeof(float));
  return file;
}

std::vector<int> Argmax(const File& file, size_t columns) {
  std::vector<int> best;
  for (auto row = file.data.begin(); row != file.data.end();
       row += static_cast<std::ptrdiff_t>(columns)) {
    const auto end = row + static_cast<std::ptrdiff_t>(columns);
    best.push_back(static_cast<int>(std::max_element(row, end) - row));
  }
  return best;
}

TEST(Logits, OneRowForEachIdAcrossChunks) {
  Json ids = Golden()["prompts"][0]["ids"];
  const Json continuation = Golden()["generate"][0]["ids"];
  const size_t prompt_size = ids.size();
  ids.insert(ids.end(), continuation.begin(), continuation.end());
  const std::string path = TemporaryPath("logits.safetensors");
  const Outcome outcome =
      Inference({"logits", "--model", TinyModel(), "--ids", IdList(ids), "--out", path});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");

  const File file = Read(path);
  EXPECT_EQ(file.header_size % 8, 0u);
  EXPECT_EQ(file.header.size(), 1u);
  const Json& tensor = file.header["logits"];
  EXPECT_EQ(tensor["dtype"], "F32");
  EXPECT_EQ(tensor["shape"][0], ids.size());
  const size_t columns = tensor["shape"][1];
  ASSERT_EQ(file.data.size(), ids.size() * columns);
  EXPECT_EQ(tensor["data_offsets"], Json({0, file.data.size() * sizeof(float)}));
  // The best logit after each token of a greedy continuation is the next token.
  const std::vector<int> best = Argmax(file, columns);
  for (size_t i = 0; i < continuation.size(); ++i) {
    EXPECT_EQ(best[prompt_size - 1 + i], continuation[i]) << i;
  }
}

TEST(Logits, NothingIsLeftWhereItFails) {
  const std::filesystem::path folder = TemporaryPath("logits_fails");
  std::filesystem::create_directories(folder);
  const Outcome outcome = Inference({"logits", "--model", TinyModel(), "--ids", "1,99999", "--out",
                                     (folder / "f.safetensors").string()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, StartsWith("inference: ARG: "));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

}  // namespace
}  // namespace inference::tools_test
