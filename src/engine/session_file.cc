#include "engine/session_file.h"

#include <bit>
#include <cstring>

#include "util/blake2b.h"
#include "util/checked.h"

namespace inference {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "inf-sess";
constexpr uint32_t kVersion = 1;
constexpr size_t kDigestBytes = 32, kDigestText = 2 * kDigestBytes;
constexpr size_t kPreambleBytes = 16;  // magic, version, length of the header
constexpr uint32_t kMaxHeaderBytes = 1 << 20;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// Bytes of the ids and pages.
uint64_t BodyBytes(const SessionHeader& header, const KvCache& cache) {
  uint64_t total = static_cast<uint64_t>(header.tokens) * sizeof(int32_t);
  for (size_t g = 0; g < header.first_blocks.size(); ++g) {
    const auto pages = static_cast<uint64_t>(header.blocks() - header.first_blocks[g]);
    const auto bytes = CheckedMul(pages, cache.page_bytes(g));
    const auto sum = bytes ? CheckedAdd(total, *bytes) : std::nullopt;
    Require(sum.has_value(), Status::kLimit, "session: its size overflows");
    total = *sum;
  }
  return total;
}

// Calls visit(group, block) for every page, in the order in which they are saved.
template <typename Visit>
void EachPage(const SessionHeader& header, const Visit& visit) {
  for (size_t g = 0; g < header.first_blocks.size(); ++g) {
    for (int64_t b = header.first_blocks[g]; b < header.blocks(); ++b) visit(g, b);
  }
}

// Reads a source from its beginning and takes its digest on the way.
class SourceReader {
 public:
  explicit SourceReader(const SessionSource& source) : source_(source), hash_(kDigestBytes) {}

  void Read(std::span<std::byte> out) {
    source_.read(done_, out);
    hash_.Add(out);
    done_ += out.size();
  }

  std::string ReadText(size_t bytes) {
    std::string text(bytes, '\0');
    Read(std::as_writable_bytes(std::span(text)));
    return text;
  }

  void CheckDigest() {
    const std::string wanted = hash_.Finish();
    std::string found(kDigestText, '\0');
    source_.read(done_, std::as_writable_bytes(std::span(found)));
    Require(found == wanted, Status::kMismatch, "{}: is damaged: its checksum is {}, want {}",
            source_.name, Quote(found), wanted);
  }

 private:
  const SessionSource& source_;
  Blake2b hash_;
  uint64_t done_ = 0;
};

SessionHeader ReadHeader(SourceReader& in, const SessionSource& source, const Session& session) {
  Require(source.bytes >= kPreambleBytes + kDigestText, Status::kMismatch,
          "{}: has {} bytes, a saved session has more", source.name, source.bytes);
  const std::string magic = in.ReadText(kMagic.size());
  Require(magic == kMagic, Status::kMismatch, "{}: begins with {}, a saved session with {}",
          source.name, Quote(magic), Quote(kMagic));
  uint32_t version = 0, bytes = 0;
  in.Read(std::as_writable_bytes(std::span(&version, 1)));
  Require(version == kVersion, Status::kMismatch, "{}: version is {}, want {}", source.name,
          version, kVersion);
  in.Read(std::as_writable_bytes(std::span(&bytes, 1)));
  const uint64_t most =
      std::min<uint64_t>(kMaxHeaderBytes, source.bytes - kPreambleBytes - kDigestText);
  Require(bytes <= most, Status::kMismatch, "{}: a header of {} bytes, want 0..{}", source.name,
          bytes, most);
  const SessionHeader header = ParseSessionHeader(in.ReadText(bytes), source.name, session);
  const uint64_t wanted =
      kPreambleBytes + bytes + kDigestText + BodyBytes(header, *session.model().executor().cache());
  Require(source.bytes == wanted, Status::kMismatch, "{}: has {} bytes, want {} by its header",
          source.name, source.bytes, wanted);
  return header;
}

std::vector<int32_t> ReadIds(SourceReader& in, const SessionSource& source, int64_t tokens,
                             int64_t vocab_size) {
  std::vector<int32_t> ids(static_cast<size_t>(tokens));
  in.Read(std::as_writable_bytes(std::span(ids)));
  for (size_t i = 0; i < ids.size(); ++i) {
    Require(ids[i] >= 0 && ids[i] < vocab_size, Status::kMismatch,
            "{}: token {}: id is {}, the vocabulary is 0..{}", source.name, i, ids[i],
            vocab_size - 1);
  }
  return ids;
}

}  // namespace

SavedSession::SavedSession(const Session& session)
    : session_(session),
      header_(HeaderOf(session)),
      header_text_(SessionHeaderText(header_)),
      bytes_(kPreambleBytes + header_text_.size() + kDigestText +
             BodyBytes(header_, *session.model().executor().cache())) {}

void SavedSession::WriteTo(const ByteSink& sink) const {
  Blake2b hash(kDigestBytes);
  const auto write = [&](std::span<const std::byte> bytes) {
    hash.Add(bytes);
    sink(bytes);
  };
  write(BytesOf(kMagic));
  const uint32_t numbers[] = {kVersion, static_cast<uint32_t>(header_text_.size())};
  write(std::as_bytes(std::span(numbers)));
  write(BytesOf(header_text_));
  write(std::as_bytes(std::span(session_.tokens())));
  const KvSequence& sequence = session_.sequence();
  const KvCache& cache = *sequence.cache();
  EachPage(header_, [&](size_t g, int64_t block) {
    std::vector<std::byte> page;
    session_.model().device()->Run([&] { page = cache.ReadPage(g, sequence.page(g, block)); });
    const int64_t used = std::min(header_.tokens - block * kCacheBlock, kCacheBlock);
    if (used < kCacheBlock) cache.ClearPage(g, page, used);
    Require(cache.IsPageFinite(g, page), Status::kNumeric,
            "session: keys or values of positions {}..{} are not finite numbers",
            block * kCacheBlock, block * kCacheBlock + used - 1);
    write(page);
  });
  sink(BytesOf(hash.Finish()));
}

void LoadSession(Session& session, const SessionSource& source) {
  SourceReader in(source);
  const SessionHeader header = ReadHeader(in, source, session);
  const Model& model = session.model();
  std::vector<int32_t> ids = ReadIds(in, source, header.tokens, model.network().dims().vocab_size);
  const std::shared_ptr<KvCache> cache = model.executor().cache();
  KvSequence sequence(cache);
  model.device()->Run([&] { sequence.Allocate(header.tokens, header.first_blocks); });
  std::vector<std::byte> page;
  EachPage(header, [&](size_t g, int64_t block) {
    page.resize(cache->page_bytes(g));
    in.Read(page);
    Require(cache->IsPageFinite(g, page), Status::kMismatch,
            "{}: keys or values from position {} on are not finite numbers", source.name,
            block * kCacheBlock);
    model.device()->Run([&] { cache->WritePage(g, sequence.page(g, block), page); });
  });
  in.CheckDigest();
  session.Restore(std::move(ids), std::move(sequence));
}

}  // namespace inference
