// Tells which files were opened, by whomever: inotify.
#pragma once

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

namespace inference {

class OpenWatch {
 public:
  OpenWatch() : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    if (fd_ < 0) throw std::runtime_error("inotify_init1 failed");
  }
  OpenWatch(const OpenWatch&) = delete;
  OpenWatch& operator=(const OpenWatch&) = delete;
  ~OpenWatch() { close(fd_); }

  // A file, or a folder with all that lies directly in it.
  void Add(const std::string& path) {
    const int id = inotify_add_watch(fd_, path.c_str(), IN_OPEN);
    if (id < 0) throw std::runtime_error("cannot watch " + path);
    paths_[id] = path;
  }

  // What was opened since the last call.
  std::set<std::string> Take() {
    std::set<std::string> opened;
    for (const auto& [path, times] : TakeCounts()) opened.insert(path);
    return opened;
  }

  // And how often, where a file's openings have another one's between them.
  std::map<std::string, int> TakeCounts() {
    std::map<std::string, int> opened;
    alignas(inotify_event) std::array<char, 4096> buffer;
    for (ssize_t n; (n = read(fd_, buffer.data(), buffer.size())) > 0;) {
      for (ssize_t at = 0; at < n;) {
        inotify_event event;
        std::memcpy(&event, buffer.data() + at, sizeof(event));
        const char* name = buffer.data() + at + sizeof(event);
        ++opened[event.len == 0 ? paths_[event.wd] : paths_[event.wd] + "/" + name];
        at += static_cast<ssize_t>(sizeof(event) + event.len);
      }
    }
    return opened;
  }

 private:
  int fd_;
  std::map<int, std::string> paths_;
};

}  // namespace inference
