// Compiled programs on disk: <cache_dir>/kernels/<hash of the key>.bin. What a file says is
// believed only where it is whole and its key is the wanted one; anything else is as if it were not
// there.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/log.h"

namespace inference {

// $XDG_CACHE_HOME or ~/.cache, + "/libinference"; empty where the user has no home.
std::string DefaultCacheDirectory();

class ProgramFiles {
 public:
  struct Entry {
    std::string launches;  // what the binary is ready for; ProgramCache gives it a meaning
    std::vector<std::byte> binary;
  };

  // Makes the folder; IO, naming it, where it cannot be written, or could be written by other
  // users.
  explicit ProgramFiles(const std::string& cache_dir);

  std::optional<Entry> Load(std::string_view key, const Logger& logger) const;
  void Save(std::string_view key, const Entry& entry) const;  // IO
  std::string PathOf(std::string_view key) const;

 private:
  std::string folder_;
};

}  // namespace inference
