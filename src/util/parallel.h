// Work on all cores of the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace inference {

// body(i, scratch) for 0 <= i < count on several threads, this one among them, i in ascending order
// of begin. `scratch` belongs to the calling thread and stays from one call to the next. After an
// exception no further i begins; the first one is thrown here.
void ParallelFor(int64_t count,
                 const std::function<void(int64_t i, std::vector<std::byte>& scratch)>& body);

}  // namespace inference
