;; Logs a line of 4 GiB.
(func $hostile (result i32)
  (call $log (i32.const 3) (i32.const 16) (i32.const -1))
  unreachable)
