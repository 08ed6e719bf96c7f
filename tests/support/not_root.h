// Root may do everything: for a while this process is nobody.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

namespace inference {

struct NotRoot {
  NotRoot() { EXPECT_TRUE(::geteuid() != 0 || ::seteuid(65534) == 0); }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;
  ~NotRoot() {
    const bool again = ::getuid() != 0 || ::seteuid(0) == 0;
    EXPECT_TRUE(again);
  }
};

}  // namespace inference
