;; Logs bytes that are no UTF-8 before it is called.
(func $start
  (i32.store (i32.const 0) (i32.const -1))
  (call $log (i32.const 3) (i32.const 0) (i32.const 4)))
(start $start)
(func $hostile (result i32) (i32.const 1024))
