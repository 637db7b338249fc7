;; A state that is no text.
(func $hostile (result i32)
  (i32.store8 (i32.const 2048) (i32.const 255))
  (i32.const 1024))
