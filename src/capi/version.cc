#include "util/version.h"

#include <array>
#include <cstdlib>

#include "capi/arguments.h"
#include "capi/guard.h"
#include "formats/json.h"

namespace inference::capi {

namespace {

constexpr uint32_t kAbiNumber = 0;  // the SONAME's
static_assert(INF_VERSION_NUMBER ==
              INF_VERSION_MAJOR * 10000 + INF_VERSION_MINOR * 100 + INF_VERSION_PATCH);

constexpr std::array kFeatures = {"opencl",       "gguf", "safetensors", "model.llama",
                                  "model.gemma3", "chat", "sampling"};

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

#if defined(NDEBUG)
constexpr const char* kBuildType = "release";
#else
constexpr const char* kBuildType = "debug";
#endif

std::string VersionText(uint32_t number) {
  return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

struct StatusName {
  inf_status status;
  const char* name;
};
constexpr std::array kStatusNames = {
    StatusName{INF_OK, "OK"},
    StatusName{INF_DONE, "DONE"},
    StatusName{INF_E_INTERNAL, "INTERNAL"},
    StatusName{INF_E_ARG, "ARG"},
    StatusName{INF_E_STATE, "STATE"},
    StatusName{INF_E_BUSY, "BUSY"},
    StatusName{INF_E_ABI, "ABI"},
    StatusName{INF_E_HANDLE, "HANDLE"},
    StatusName{INF_E_LIMIT, "LIMIT"},
    StatusName{INF_E_NOT_FOUND, "NOT_FOUND"},
    StatusName{INF_E_IO, "IO"},
    StatusName{INF_E_FORMAT, "FORMAT"},
    StatusName{INF_E_UNSUPPORTED, "UNSUPPORTED"},
    StatusName{INF_E_PATH, "PATH"},
    StatusName{INF_E_TEMPLATE, "TEMPLATE"},
    StatusName{INF_E_NUMERIC, "NUMERIC"},
    StatusName{INF_E_OOM_HOST, "OOM_HOST"},
    StatusName{INF_E_OOM_DEVICE, "OOM_DEVICE"},
    StatusName{INF_E_DEVICE, "DEVICE"},
    StatusName{INF_E_DEVICE_LOST, "DEVICE_LOST"},
    StatusName{INF_E_KERNEL_BUILD, "KERNEL_BUILD"},
    StatusName{INF_E_CANCELLED, "CANCELLED"},
    StatusName{INF_E_CALLBACK, "CALLBACK"},
    StatusName{INF_E_CONTEXT_FULL, "CONTEXT_FULL"},
    StatusName{INF_E_MISMATCH, "MISMATCH"},
};

template <typename Out>
void FreeBuffer(Out* out) {
  if (out == nullptr) return;
  std::free(out->data);
  *out = {};
}

}  // namespace

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

uint32_t inf_version_number(void) { return INF_VERSION_NUMBER; }
const char* inf_version_string(void) { return kVersion; }
uint32_t inf_abi_number(void) { return kAbiNumber; }

inf_status inf_check_abi(uint32_t header_version, inf_error* err) {
  return Guard(err, [&] {
    // A header of the same major version is served when it is not newer; patches change no ABI.
    const bool same_major = header_version / 10000 == INF_VERSION_MAJOR;
    const bool header_newer = header_version / 100 > INF_VERSION_NUMBER / 100;
    Require(!header_newer, Status::kAbi,
            "abi: the program was compiled for {}, this library is {}: the library is too old",
            VersionText(header_version), kVersion);
    Require(same_major && header_version >= 100, Status::kAbi,
            "abi: the program was compiled for {}, this library is {}: the program is too old",
            VersionText(header_version), kVersion);
  });
}

int32_t inf_has_feature(const char* name, size_t name_len) {
  return GuardOr(0, [&] {
    const std::string_view wanted = TextArg(name, name_len, "name");
    return std::find(kFeatures.begin(), kFeatures.end(), wanted) != kFeatures.end() ? 1 : 0;
  });
}

inf_status inf_build_info(inf_buf* json, inf_error* err) {
  return Guard(err, [&] {
    RequireBuffer(json, "json");
    const OrderedJson info = {{"version", kVersion},
                              {"abi", kAbiNumber},
                              {"features", kFeatures},
                              {"compiler", kCompiler},
                              {"build_type", kBuildType}};
    FillBuffer(json, info.dump());
  });
}

const char* inf_status_name(inf_status status) {
  for (const StatusName& entry : kStatusNames) {
    if (entry.status == status) return entry.name;
  }
  return "UNKNOWN";
}

void inf_buf_free(inf_buf* buf) { FreeBuffer(buf); }
void inf_tokens_free(inf_tokens* tokens) { FreeBuffer(tokens); }
void inf_floats_free(inf_floats* floats) { FreeBuffer(floats); }

}  // extern "C"
