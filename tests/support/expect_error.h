// Errors are checked whole: their status, and that the message names what it must.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "util/error.h"

namespace inference {

// `body` must throw Error with `status`; the message must contain every one of `parts`.
inline void ExpectError(Status status, std::initializer_list<std::string_view> parts,
                        const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(status)) << message;
    for (const std::string_view part : parts) {
      EXPECT_NE(message.find(part), std::string::npos)
          << "message: " << message << "\nmisses:  " << part;
    }
    return;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an inference::Error: " << error.what();
    return;
  }
  ADD_FAILURE() << "nothing was thrown";
}

}  // namespace inference
