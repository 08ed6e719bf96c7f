#include "device/program_files.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "util/error.h"
#include "util/file.h"

namespace inference {

namespace {

constexpr std::array<char, 8> kMagic = {'I', 'N', 'F', 'K', 'E', 'R', 'N', '\n'};
constexpr uint32_t kFormat = 1;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

struct Header {
  std::array<char, 8> magic;
  uint32_t format;
  uint32_t reserved;
  uint64_t key_bytes;
  uint64_t launches_bytes;
  uint64_t binary_bytes;
  uint64_t checksum;  // of everything that follows: key, launches, binary
};
static_assert(sizeof(Header) == 48);

// FNV-1a: against damage, not against forgers, who would have to write to the user's own folder.
uint64_t Hash(std::span<const std::byte> bytes, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325 ^ seed;
  for (const std::byte b : bytes) {
    hash ^= static_cast<uint64_t>(b);
    hash *= 0x100000001B3;
  }
  return hash;
}

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

[[noreturn]] void FailFolder(const std::string& folder, std::string_view why, int code) {
  throw Error(Status::kIo, fmt::format("{}: cannot be used as the kernel cache: {}", folder, why),
              code != 0 ? Domain::kErrno : Domain::kNone, code);
}

// What makes `file` unfit for `key`, or nothing, with `entry` filled.
std::string_view Read(const File& file, std::string_view key, ProgramFiles::Entry& entry) {
  Header header;
  if (file.size() < sizeof(header) || file.size() > kMaxFileBytes) return "size";
  std::vector<std::byte> content(file.size());
  file.ReadAt(0, content);
  std::memcpy(&header, content.data(), sizeof(header));
  if (header.magic != kMagic || header.format != kFormat) return "format";
  const std::span<const std::byte> body = std::span(content).subspan(sizeof(header));
  if (header.key_bytes > body.size() || header.launches_bytes > body.size() ||
      header.binary_bytes > body.size() ||
      header.key_bytes + header.launches_bytes + header.binary_bytes != body.size()) {
    return "lengths";
  }
  if (Hash(body, 0) != header.checksum) return "checksum";
  const char* text = reinterpret_cast<const char*>(body.data());
  if (std::string_view(text, header.key_bytes) != key) return "key";
  entry.launches.assign(text + header.key_bytes, header.launches_bytes);
  const auto binary = body.subspan(header.key_bytes + header.launches_bytes);
  entry.binary.assign(binary.begin(), binary.end());
  return {};
}

}  // namespace

std::string DefaultCacheDirectory() {
  const char* const xdg = std::getenv("XDG_CACHE_HOME");
  if (xdg != nullptr && xdg[0] == '/') return std::string(xdg) + "/libinference";
  const char* const home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.cache/libinference";
  passwd entry;
  passwd* found = nullptr;
  std::array<char, 4096> text;
  if (::getpwuid_r(::geteuid(), &entry, text.data(), text.size(), &found) != 0 || !found) return {};
  return std::string(found->pw_dir) + "/.cache/libinference";
}

ProgramFiles::ProgramFiles(const std::string& cache_dir) : folder_(cache_dir + "/kernels") {
  std::error_code failed;
  std::filesystem::create_directories(cache_dir, failed);  // may say so for a link to a folder
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    const int code = errno;
    FailFolder(folder_, std::strerror(code), code);
  }
  struct stat info {};
  if (::lstat(folder_.c_str(), &info) != 0) FailFolder(folder_, std::strerror(errno), errno);
  // The code in it runs in this process, so it must be in nobody else's hands.
  if (S_ISLNK(info.st_mode)) FailFolder(folder_, "is a symbolic link", 0);
  if (!S_ISDIR(info.st_mode)) FailFolder(folder_, "is not a folder", ENOTDIR);
  if (info.st_uid != ::geteuid()) FailFolder(folder_, "belongs to another user", 0);
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) FailFolder(folder_, "others can write to it", 0);
  if (::access(folder_.c_str(), R_OK | W_OK | X_OK) != 0) {
    const int code = errno;
    FailFolder(folder_, std::strerror(code), code);
  }
}

std::string ProgramFiles::PathOf(std::string_view key) const {
  return fmt::format("{}/{:016x}{:016x}.bin", folder_, Hash(Bytes(key), 0), Hash(Bytes(key), 1));
}

std::optional<ProgramFiles::Entry> ProgramFiles::Load(std::string_view key,
                                                      const Logger& logger) const {
  const std::string path = PathOf(key);
  try {
    if (!FileExists(path)) return std::nullopt;
    Entry entry;
    const std::string_view unfit = Read(File::Open(path), key, entry);
    if (unfit.empty()) return entry;
    logger.Log(LogLevel::kWarning, "device", "{}: ignored, its {} is not as expected", path, unfit);
  } catch (const Error& error) {
    logger.Log(LogLevel::kWarning, "device", "{}", error.what());
  }
  return std::nullopt;
}

void ProgramFiles::Save(std::string_view key, const Entry& entry) const {
  Header header{kMagic, kFormat, 0, key.size(), entry.launches.size(), entry.binary.size(), 0};
  std::vector<std::byte> content(sizeof(header));
  const auto append = [&](std::span<const std::byte> bytes) {
    content.insert(content.end(), bytes.begin(), bytes.end());
  };
  append(Bytes(key));
  append(Bytes(entry.launches));
  append(entry.binary);
  header.checksum = Hash(std::span(content).subspan(sizeof(header)), 0);
  std::memcpy(content.data(), &header, sizeof(header));
  WriteFileAtomically(PathOf(key), content);
}

}  // namespace inference
