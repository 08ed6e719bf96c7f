// Tokenizers from anywhere: the input is a tokenizer.json, then possibly a zero byte and a text.
// Whatever they are, loading, encoding and decoding end with a result that holds together or an
// Error.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"
#include "util/error.h"
#include "util/utf8.h"

namespace {

using namespace inference;

constexpr size_t kMaxTextBytes = 4096;  // the time of a run goes into the tokenizers

void Check(bool condition) {
  if (!condition) __builtin_trap();
}

// Holds the tokenizer.json of the current run, and is removed at exit.
class ScratchFolder {
 public:
  ScratchFolder() : path_(std::filesystem::temp_directory_path() / "inference-fuzz-XXXXXX") {
    Check(mkdtemp(path_.data()) != nullptr);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }

  void Write(std::string_view json) const {
    std::ofstream out(path_ + "/tokenizer.json", std::ios::binary);
    out.write(json.data(), static_cast<std::streamsize>(json.size()));
    Check(out.flush().good());
  }

 private:
  std::string path_;
};

void RoundTrip(const std::shared_ptr<const Tokenizer>& tokenizer, std::string_view text) {
  for (const bool parse_special : {true, false}) {
    std::vector<int32_t> ids;
    try {
      ids = tokenizer->Encode(text, {.add_special = true, .parse_special = parse_special});
    } catch (const Error&) {
      continue;
    }
    for (const int32_t id : ids) Check(id >= 0 && id < tokenizer->vocab_size());
    for (const bool skip : {true, false}) {
      const std::string decoded = tokenizer->Decode(ids, skip);
      Check(IsValidUtf8(decoded));
      StreamingDecoder stream(tokenizer, skip);
      std::string streamed;
      for (const int32_t id : ids) {
        const std::string piece = stream.Push(id);
        Check(IsValidUtf8(piece));
        streamed += piece;
      }
      Check(streamed + stream.Flush() == decoded);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ScratchFolder folder;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\0');
  try {
    folder.Write(input.substr(0, end));
    const auto tokenizer = LoadTokenizerFolder(folder.path());
    RoundTrip(tokenizer, "Hello, w\xC3\xB6rld  <s> 12\n");
    if (end != input.npos) RoundTrip(tokenizer, input.substr(end + 1, kMaxTextBytes));
    for (int32_t id = 0; id < tokenizer->vocab_size() && id < 64; ++id) tokenizer->TokenBytes(id);
  } catch (const Error& error) {
    Check(error.status() != Status::kInternal);
  }
  return 0;
}
