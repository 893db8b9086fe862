{
  # For those who build with node-gyp; `npm run build:native` does not need it.
  "targets": [{
    "target_name": "sluice",
    "sources": ["<!@(ls -1 *.cc)"],
    "include_dirs": [
      ".",
      "<!(node -p \"require('node-addon-api').include_dir\")"
    ],
    # A thread that is ended in the middle of a call cannot be thrown at any more.
    "defines": [
      "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      "NAPI_VERSION=8"
    ],
    "cflags_cc!": ["-fexceptions", "-frtti", "-std=gnu++17"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra"]
  }]
}
