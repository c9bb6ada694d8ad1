// JSON, written from its beginning to its end.
//
// Not thread-safe. Throws nothing but for want of memory; its destructor takes none. (nlohmann's takes some for the destruction
// of an array or an object: where there is none, it ends the process.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace looptap {

class JsonText {
 public:
  // Values, in an array or after a key.
  JsonText& begin_object() { return begin('{'); }
  JsonText& end_object() { return end('}'); }
  JsonText& begin_array() { return begin('['); }
  JsonText& end_array() { return end(']'); }
  /// In as few digits as make it this value again; a whole number as "1.0". What is no number is null.
  JsonText& value(double number);
  JsonText& value(uint64_t number);
  JsonText& value(bool truth);
  /// What is no UTF-8 is replaced.
  JsonText& value(std::string_view text);

  /// In an object.
  JsonText& key(std::string_view name);
  template <class Value>
  JsonText& add(std::string_view name, Value of_it) {
    return key(name).value(of_it);
  }

  /// All of it, with a newline at its end; nothing is left.
  std::string take();

 private:
  JsonText& begin(char bracket);
  JsonText& end(char bracket);
  void separate();
  void write_string(std::string_view text);

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace looptap
