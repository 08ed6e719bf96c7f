// What `inference tune` found, in the user's cache folder: <cache_dir>/tuning/<device>.json.
#pragma once

#include <optional>
#include <string>

#include "device/device_info.h"
#include "device/tuning.h"
#include "util/log.h"

namespace inference {

// The file of a device: its name and driver make the file's name. IO where the user has no cache
// folder.
std::string TuningPath(const std::string& cache_dir, const DeviceInfo& info);

// The table as JSON: device, driver, library, then what was chosen.
std::string TuningJson(const DeviceInfo& info, const Tuning& tuning);

// What the file says; nothing where there is none. Where it is not wholly as expected, or of
// another device, driver or version of the library, it counts as absent and the log says why.
std::optional<Tuning> LoadTuning(const std::string& cache_dir, const DeviceInfo& info,
                                 const Logger& logger);

// IO where a file could not be kept. Called before minutes of measuring, too.
void MakeTuningFolder(const std::string& cache_dir);
// By a temporary file that takes the place of the old one.
void SaveTuning(const std::string& cache_dir, const DeviceInfo& info, const Tuning& tuning);  // IO
void RemoveTuning(const std::string& cache_dir, const DeviceInfo& info);  // IO; absent is fine

}  // namespace inference
