// Programs by source and options: in memory, on disk, or built. Submission thread only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "device/device_info.h"
#include "device/opencl.h"
#include "device/program_files.h"
#include "util/log.h"

namespace inference {

struct ProgramStats {
  uint64_t built = 0;        // from source
  uint64_t loaded = 0;       // from disk
  uint64_t nanoseconds = 0;  // both; the driver may compile more at a first launch
};

class ProgramCache {
 public:
  // `files` may be null: then nothing is kept on disk.
  ProgramCache(cl_context context, const DeviceInfo& info,
               std::unique_ptr<const ProgramFiles> files, std::shared_ptr<const Logger> logger);

  // Numbers of programs, valid as long as the cache. `label` names the program in messages.
  // KERNEL_BUILD with the compiler's log.
  uint64_t FromFiles(const std::vector<std::string>& files, const std::string& defines);
  uint64_t FromSource(const std::string& label, const std::string& source,
                      const std::string& defines);

  cl_program program(uint64_t number) const { return programs_[number].handle.get(); }

  ProgramStats stats() const;  // any thread

  // Notes a launch; true for the first of its kind. `launch` says what the driver compiles anew
  // for.
  bool IsFirstLaunch(uint64_t number, const std::string& launch);

  // Writes the programs that were launched in a way that their file is not ready for. It pays to do
  // so after the launches and not after the build: PoCL compiles at the first launch of a kernel
  // with a work-group size, and its binary holds what has been compiled so far (measured with ten
  // programs: 7 ms to load them, 200 ms to build them with all in PoCL's own cache, 570 ms to
  // launch binaries saved early). But PoCL compiles a second, general form of each kernel to hand a
  // binary out, up to two seconds a program: none is begun once `budget` has passed, and the next
  // process keeps what this one left.
  void Save(std::chrono::milliseconds budget);

 private:
  struct Program {
    std::string label;
    std::string key;
    ClProgram handle;
    std::set<std::string> launched;  // by this process
    std::set<std::string> saved;     // what the file is ready for
  };
  Program Load(const std::string& label, const std::string& key, const std::string& options) const;
  ClProgram Build(const std::string& label, const std::string& source,
                  const std::string& options) const;
  void SaveProgram(Program& program) const;

  const cl_context context_;
  const DeviceInfo info_;
  const std::unique_ptr<const ProgramFiles> files_;
  const std::shared_ptr<const Logger> logger_;
  std::map<std::string, uint64_t> by_files_;
  std::map<std::string, uint64_t> by_key_;
  std::vector<Program> programs_;
  std::atomic<uint64_t> built_{0}, loaded_{0}, nanoseconds_{0};
};

}  // namespace inference
