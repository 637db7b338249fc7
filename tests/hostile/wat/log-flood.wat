;; Logs what clears a terminal, for ever.
(data (i32.const 4096) "\1b[2J\1b]0;owned\07\r\n\e2\80\ae2026-01-01 ERROR all is lost")
(func $hostile (result i32)
  (loop $again (call $log (i32.const 3) (i32.const 4096) (i32.const 46)) (br $again))
  unreachable)
