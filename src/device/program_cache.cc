#include "device/program_cache.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <sstream>

#include "device/cl_error.h"
#include "device/exit_guard.h"
#include "device/kernel_sources.h"
#include "device/signals.h"

namespace inference {

namespace {

// Exact arithmetic: no fast-math option. -w: PoCL's compiler counts its warnings on the host's
// stderr. It does so with errors too, and has no option against that: probe with feature macros,
// not by builds that fail.
constexpr std::string_view kOptions = "-w -cl-std=CL1.2";
constexpr size_t kMaxLogBytes = 4000;

class Stopwatch {
 public:
  double Milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

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
                           std::unique_ptr<const ProgramFiles> files,
                           std::shared_ptr<const Logger> logger)
    : context_(context), info_(info), files_(std::move(files)), logger_(std::move(logger)) {}

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
  std::string key = fmt::format("{}\n{}\n{}\n{}", info_.name, info_.driver, options, source);
  if (const auto found = by_key_.find(key); found != by_key_.end()) return found->second;
  const SignalGuard guard;
  const Stopwatch watch;
  Program program = Load(label, key, options);
  const bool is_loaded = program.handle != nullptr;
  if (!is_loaded) program.handle = Build(label, source, options);
  ++(is_loaded ? loaded_ : built_);
  nanoseconds_ += static_cast<uint64_t>(watch.Milliseconds() * 1e6);
  WatchExit();
  programs_.push_back(std::move(program));
  by_key_.emplace(std::move(key), programs_.size() - 1);
  return programs_.size() - 1;
}

ProgramCache::Program ProgramCache::Load(const std::string& label, const std::string& key,
                                         const std::string& options) const {
  Program program{label, key, nullptr, {}, {}};
  const Stopwatch watch;
  const auto entry = files_ ? files_->Load(key, *logger_) : std::nullopt;
  if (!entry) return program;
  const auto* binary = reinterpret_cast<const unsigned char*>(entry->binary.data());
  const size_t bytes = entry->binary.size();
  cl_int accepted = CL_SUCCESS;
  cl_int code = CL_SUCCESS;
  program.handle.reset(
      clCreateProgramWithBinary(context_, 1, &info_.id, &bytes, &binary, &accepted, &code));
  if (code == CL_SUCCESS) code = accepted;
  if (code == CL_SUCCESS) {
    code = clBuildProgram(program.handle.get(), 1, &info_.id, options.c_str(), nullptr, nullptr);
  }
  if (code != CL_SUCCESS) {
    logger_->Log(LogLevel::kWarning, "device", "{}: ignored, the driver answered {}",
                 files_->PathOf(key), ClCodeName(code));
    program.handle.reset();
    return program;
  }
  std::istringstream lines(entry->launches);
  for (std::string line; std::getline(lines, line);) program.saved.insert(line);
  logger_->Log(LogLevel::kInfo, "device", "loaded program {} in {:.1f} ms", label,
               watch.Milliseconds());
  return program;
}

ClProgram ProgramCache::Build(const std::string& label, const std::string& source,
                              const std::string& options) const {
  const Stopwatch watch;
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
  logger_->Log(LogLevel::kInfo, "device", "built program {} ({}) in {:.0f} ms", label, options,
               watch.Milliseconds());
  return program;
}

ProgramStats ProgramCache::stats() const { return {built_, loaded_, nanoseconds_}; }

bool ProgramCache::IsFirstLaunch(uint64_t number, const std::string& launch) {
  return programs_[number].launched.insert(launch).second;
}

void ProgramCache::Save(std::chrono::milliseconds budget) {
  if (!files_) return;
  const Stopwatch watch;
  for (Program& program : programs_) {
    if (watch.Milliseconds() >= static_cast<double>(budget.count())) return;
    const bool ready = std::includes(program.saved.begin(), program.saved.end(),
                                     program.launched.begin(), program.launched.end());
    if (ready) continue;
    const SignalGuard guard;
    try {
      SaveProgram(program);
    } catch (const std::exception& error) {  // the next process compiles again
      logger_->Log(LogLevel::kWarning, "device", "program {} not kept: {}", program.label,
                   error.what());
    }
  }
}

void ProgramCache::SaveProgram(Program& program) const {
  const Stopwatch watch;
  size_t bytes = 0;
  CheckCl(clGetProgramInfo(program.handle.get(), CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes,
                           nullptr),
          "clGetProgramInfo", program.label);
  if (bytes == 0) return;
  ProgramFiles::Entry entry;
  entry.binary.resize(bytes);
  auto* binary = reinterpret_cast<unsigned char*>(entry.binary.data());
  CheckCl(
      clGetProgramInfo(program.handle.get(), CL_PROGRAM_BINARIES, sizeof(binary), &binary, nullptr),
      "clGetProgramInfo", program.label);
  std::set<std::string> ready = program.launched;
  ready.insert(program.saved.begin(), program.saved.end());
  entry.launches = fmt::format("{}", fmt::join(ready, "\n"));
  files_->Save(program.key, entry);
  program.saved = std::move(ready);
  logger_->Log(LogLevel::kInfo, "device", "kept program {} ({} bytes) in {:.0f} ms", program.label,
               bytes, watch.Milliseconds());
}

}  // namespace inference
