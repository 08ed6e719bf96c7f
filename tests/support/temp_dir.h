// A folder for one test, removed with what is in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace inference {

class TempDir {
 public:
  TempDir() : path_(testing::TempDir() + "inference-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot create " + path_);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }

  // Returns the path of the file written.
  std::string Write(std::string_view name, std::string_view content) const {
    const std::string path = Path(name);
    std::filesystem::remove(path);  // truncating a file instead makes some file systems flush it
    std::ofstream out(path, std::ios::binary);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + path);
    return path;
  }

  // A file of `bytes` bytes that begins with `head`; the rest is a hole that takes no disk.
  std::string WriteSparse(std::string_view name, std::string_view head, uint64_t bytes) const {
    const std::string path = Write(name, head);
    std::filesystem::resize_file(path, bytes);
    return path;
  }

 private:
  std::string path_;
};

}  // namespace inference
