#include "device/program_cache.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "device/cl_error.h"
#include "device/kernel_sources.h"
#include "device/signals.h"

namespace inference {

namespace {

// Exact arithmetic: no fast-math option. -w: PoCL's compiler prints warnings on the host's stderr.
constexpr std::string_view kOptions = "-w -cl-std=CL1.2";
constexpr size_t kMaxLogBytes = 4000;

std::string BuildLog(cl_program program, cl_device_id device) {
  size_t bytes = 0;
  if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &bytes) !=
      CL_SUCCESS) {
    return "(no build log)";
  }
  std::string log(bytes, '\0');
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, bytes, log.data(), nullptr);
  log.resize(std::min(log.size(), log.find('\0')));
  if (log.size() > kMaxLogBytes) log = log.substr(0, kMaxLogBytes) + "...";
  return log;
}

void AppendFile(std::string& source, const std::string& name) {
  const std::string_view text = KernelSource(name);
  Require(!text.empty(), Status::kInternal, "cl/{}.cl: not compiled into the library", name);
  source += fmt::format("#line 1 \"{}.cl\"\n{}\n", name, text);
}

}  // namespace

ProgramCache::ProgramCache(cl_context context, const DeviceInfo& info,
                           std::shared_ptr<const Logger> logger)
    : context_(context), info_(info), logger_(std::move(logger)) {}

uint64_t ProgramCache::FromFiles(const std::vector<std::string>& files,
                                 const std::string& defines) {
  const std::string key = fmt::format("{}\n{}", fmt::join(files, "\n"), defines);
  if (const auto found = by_files_.find(key); found != by_files_.end()) return found->second;
  std::string source;
  AppendFile(source, "common");
  for (const std::string& file : files) AppendFile(source, file);
  const uint64_t number = FromSource(files.empty() ? "common" : files.back(), source, defines);
  by_files_.emplace(key, number);
  return number;
}

uint64_t ProgramCache::FromSource(const std::string& label, const std::string& source,
                                  const std::string& defines) {
  const std::string options =
      defines.empty() ? std::string(kOptions) : fmt::format("{} {}", kOptions, defines);
  const std::string key = fmt::format("{}\n{}", options, source);
  if (const auto found = by_source_.find(key); found != by_source_.end()) return found->second;
  programs_.push_back({label, Build(label, source, options), {}});
  by_source_.emplace(key, programs_.size() - 1);
  return programs_.size() - 1;
}

ClProgram ProgramCache::Build(const std::string& label, const std::string& source,
                              const std::string& options) {
  const SignalGuard guard;
  const auto start = std::chrono::steady_clock::now();
  const char* text = source.data();
  const size_t bytes = source.size();
  cl_int code = CL_SUCCESS;
  ClProgram program(clCreateProgramWithSource(context_, 1, &text, &bytes, &code));
  CheckCl(code, "clCreateProgramWithSource", label);
  code = clBuildProgram(program.get(), 1, &info_.id, options.c_str(), nullptr, nullptr);
  if (ClStatus(code) == Status::kKernelBuild) {
    throw Error(Status::kKernelBuild,
                fmt::format("clBuildProgram ({}): {}; options: {}; log: {}", label,
                            ClCodeName(code), options, BuildLog(program.get(), info_.id)),
                Domain::kOpenCl, code);
  }
  CheckCl(code, "clBuildProgram", label);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  logger_->Log(LogLevel::kInfo, "device", "built program {} ({}) in {:.0f} ms", label, options,
               took.count());
  return program;
}

bool ProgramCache::IsFirstLaunch(uint64_t number, const std::string& kernel, size_t local) {
  return programs_[number].launched.emplace(kernel, local).second;
}

}  // namespace inference
