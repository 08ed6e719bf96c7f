#include "engine/fingerprint.h"

#include <algorithm>
#include <vector>

#include "util/blake2b.h"
#include "util/parallel.h"

namespace inference {

namespace {

constexpr size_t kDigestBytes = 16;
constexpr uint64_t kPieceBytes = 4 << 20;  // that are read at a time

void AddText(Blake2b& hash, std::string_view text) {
  const uint64_t length = text.size();  // so that texts cannot run into each other
  hash.Add(std::as_bytes(std::span(&length, 1)));
  hash.Add(std::as_bytes(std::span(text)));
}

}  // namespace

std::string Fingerprint(Device& device, std::string_view config,
                        std::span<const WeightBytes> weights) {
  std::vector<std::string> digests(weights.size());
  ParallelFor(static_cast<int64_t>(weights.size()), [&](int64_t i, std::vector<std::byte>& piece) {
    const auto& [buffer, bytes] = weights[static_cast<size_t>(i)];
    Blake2b hash(kDigestBytes);
    for (uint64_t done = 0; done < bytes; done += piece.size()) {
      piece.resize(std::min(kPieceBytes, bytes - done));
      device.Run([&] { device.Read(buffer, done, piece); });
      hash.Add(piece);
    }
    digests[static_cast<size_t>(i)] = hash.Finish();
  });
  Blake2b hash(kDigestBytes);
  AddText(hash, config);
  for (const std::string& digest : digests) AddText(hash, digest);
  return hash.Finish();
}

std::string Fingerprint(const Tokenizer& tokenizer) {
  Blake2b hash(kDigestBytes);
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) AddText(hash, tokenizer.TokenText(id));
  return hash.Finish();
}

}  // namespace inference
