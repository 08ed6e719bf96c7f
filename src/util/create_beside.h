// Names for what is written first and renamed into place when it is complete.
#pragma once

#include <functional>
#include <string>

namespace inference {

// Calls `create` with new names beside `path` until it does not fail with EEXIST, and returns the
// last of them; errno is that of `create`, which gives -1 where it fails. Unlike mkstemp and
// mkdtemp this leaves the permissions to `create` and the umask.
std::string CreateBeside(const std::string& path, const std::function<int(const char*)>& create);

}  // namespace inference
