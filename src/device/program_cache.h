// Programs by source and options: in memory, on disk, or built. Used on the submission thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "device/device_info.h"
#include "device/opencl.h"
#include "util/log.h"

namespace inference {

class ProgramCache {
 public:
  ProgramCache(cl_context context, const DeviceInfo& info, std::shared_ptr<const Logger> logger);

  // Numbers of programs, valid as long as the cache. `label` names the program in messages.
  // KERNEL_BUILD with the compiler's log.
  uint64_t FromFiles(const std::vector<std::string>& files, const std::string& defines);
  uint64_t FromSource(const std::string& label, const std::string& source,
                      const std::string& defines);

  cl_program program(uint64_t number) const { return programs_[number].handle.get(); }

  // True once for each kernel and work-group size: PoCL compiles at the first such launch.
  bool IsFirstLaunch(uint64_t number, const std::string& kernel, size_t local);

 private:
  struct Program {
    std::string label;
    ClProgram handle;
    std::set<std::pair<std::string, size_t>> launched;
  };
  ClProgram Build(const std::string& label, const std::string& source, const std::string& options);

  const cl_context context_;
  const DeviceInfo info_;
  const std::shared_ptr<const Logger> logger_;
  std::map<std::string, uint64_t> by_files_;
  std::map<std::string, uint64_t> by_source_;
  std::vector<Program> programs_;
};

}  // namespace inference
