// Runs a fuzz target over a folder of inputs without a fuzzer: each whole, and cut at many places.
//   replay_TARGET FOLDER
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kCuts = 50;  // of an input

void Run(const std::string& content) {
  // On the heap and of the right size: a tool that watches memory sees what is read past the end.
  const std::vector<uint8_t> copy(content.begin(), content.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    std::printf("%s\n", entry.path().c_str());
    std::fflush(stdout);  // the last line is the one that failed
    Run(content);
    const size_t step = std::max<size_t>(1, content.size() / kCuts);
    for (size_t size = 0; size < content.size(); size += step) Run(content.substr(0, size));
    ++inputs;
  }
  std::printf("%zu inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
