;; Logs text that is none before it is called, as the host might fail.
(func $start (call $log (i32.const 3) (i32.const -16) (i32.const 64)))
(start $start)
(func $hostile (result i32) (i32.const 1024))
