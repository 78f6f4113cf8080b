;;; session.el --- A person's session in Emacs  -*- lexical-binding: t; -*-

;;; Commentary:

;; `editors.rs' starts it with a manifest that names an artifact nobody signed.  It says how far it
;; is, and why it ends.

;;; Code:

(require 'package)
(package-initialize)
(add-to-list 'load-path (getenv "CLIENT"))
(require 'vouch)
(require 'yaml-mode)
(require 'flymake)

;; Read when a connection begins.  Its default leaves alone one that did not live for three seconds,
;; and on a fast machine this whole session takes no longer.
(setq eglot-autoreconnect t)

(defun say (&rest what)
  "Write WHAT on a line of standard output."
  (princ (concat (apply #'format what) "\n")))

(defmacro await (what &rest condition)
  "Wait until CONDITION is true, and say that it is WHAT.
Only a session that fails waits as long as this may."
  (declare (indent 1))
  `(let ((end (time-add nil 600)) found)
     (say "wait until %s" ,what)
     (while (not (setq found (progn ,@condition)))
       (when (time-less-p end nil)
         (error "Never: %s\n%s" ,what
                (with-current-buffer (messages-buffer) (buffer-string))))
       (accept-process-output nil 0.05))
     found))

(defun changed ()
  "Send what was changed: that is done when Emacs is idle, which it never is in a batch."
  (eglot--signal-textDocument/didChange))

(defun errors ()
  "What is refused in the buffer."
  (changed)
  (flymake-start)
  (accept-process-output nil 0.05)
  (flymake-diagnostics))

(defun line ()
  "The line with the reference."
  (save-excursion
    (goto-char (point-min))
    (forward-line 3)
    (buffer-substring-no-properties (point) (line-end-position))))

(defun to-reference ()
  "Go to the reference."
  (goto-char (point-min))
  (search-forward "acme/"))

(defun hovered (part)
  "Wait until a hover at the reference shows PART; return it all."
  (to-reference)
  (await (concat "a hover says " part)
    (let (shown)
      (changed)
      ;; It is asked for, and never by itself.
      (when (memq #'eglot-hover-eldoc-function eldoc-documentation-functions)
        (error "Wherever point rests a registry is asked"))
      (cl-letf (((symbol-function 'vouch--show-hover)
                 (lambda (contents) (setq shown (eglot--format-markup contents)))))
        (vouch-hover)
        (let ((end (time-add nil 10)))
          (while (and (not shown) (time-less-p nil end))
            (accept-process-output nil 0.05))))
      (and shown (string-search part shown) shown))))

(defun act (beginning)
  "Take the code action whose title starts with BEGINNING once it is offered."
  (to-reference)
  (let ((tick (buffer-chars-modified-tick))
        (last-nonmenu-event t))
    (await (concat "the action " beginning)
      (cl-letf (((symbol-function 'completing-read)
                 (lambda (_ choices &rest _)
                   (or (seq-find (lambda (it) (string-prefix-p beginning it))
                                 (mapcar (lambda (it) (if (consp it) (car it) it)) choices))
                       (error "It is not offered")))))
        (ignore-errors (eglot-code-actions (point) nil "quickfix" t)))
      (/= tick (buffer-chars-modified-tick)))))

(defun in-terminal (what buffer)
  "Wait until WHAT in the terminal BUFFER has ended well."
  (let ((process (get-buffer-process buffer)))
    (await (concat what " ends") (not (process-live-p process)))
    (unless (= 0 (process-exit-status process))
      (error "%s" (with-current-buffer buffer (buffer-string))))))

(defun noted (part)
  "Wait until a message says PART."
  (await (concat "it is told " part)
    (with-current-buffer (messages-buffer)
      (string-search part (buffer-string)))))

(defun session ()
  "Play it."
  (vouch-setup)
  (let ((reference (concat (getenv "REGISTRY") "/acme/echo:0.1.0"))
        (document (find-file "policy.yaml"))
        pinned)
    (call-interactively #'eglot)
    (with-current-buffer document
      (await "the refused reference shows" (= 1 (length (errors))))
      (let ((refused (car (errors))))
        (unless (and (string-search "not signed" (flymake-diagnostic-text refused))
                     (= 4 (line-number-at-pos (flymake-diagnostic-beg refused))))
          (error "%S" refused)))
      (hovered "Refused")
      (unless (equal reference (vouch--reference-at-point))
        (error "The reference at point is %S" (vouch--reference-at-point)))
      ;; A file has the reference's name; what a document names is never a file.
      (make-directory (file-name-directory reference) t)
      (write-region "not an artifact" nil reference nil 'silent)
      (to-reference)
      (cl-letf (((symbol-function 'read-string) (lambda (&rest _) reference)))
        (unless (equal "refused" (call-interactively #'vouch-verify))
          (error "It is not refused"))
        (noted "refused (unsigned)")
        (call-interactively #'vouch-inspect)
        (unless (with-current-buffer "*vouch*" (string-search "@sha256:" (buffer-string)))
          (error "It is not inspected"))
        (goto-char (point-min))
        (unless (string-search "two places" (condition-case said
                                                (call-interactively #'vouch-verify)
                                              (user-error (cadr said))))
          (error "It could mean two places")))

      (act "Pin the digest")
      (setq pinned (line))
      (unless (string-search "@sha256:" pinned) (error "%s" pinned))

      (in-terminal "sign" (vouch-sign (expand-file-name "echo.wasm")))
      (in-terminal "push" (vouch-push (expand-file-name "echo.wasm") reference)))
    ;; Eglot shows hovers of documents that are in a window alone.
    (switch-to-buffer document)
    (with-current-buffer document
      ;; What is pinned is still what nobody signed.
      (hovered "Refused")
      (act "Move the digest")
      (when (equal pinned (line)) (error "It is the same digest"))
      (await "nothing is refused" (= 0 (length (errors))))
      (unless (string-search (getenv "ACCOUNT") (hovered "Accepted"))
        (error "It does not say who signed it"))
      (save-buffer)
      (unless (equal "accepted" (vouch-pull (vouch--reference-at-point)
                                            (expand-file-name "pulled.wasm")))
        (error "It is not accepted"))
      (vouch-allow-registry "127.0.0.1:1")
      (unless (= 0 (vouch-status)) (error "There is no status"))
      (unless (= 0 (vouch-tags (concat (getenv "REGISTRY") "/acme/echo")))
        (error "There are no tags"))

      ;; After a restart of the service Eglot is connected again by itself.
      (let ((before (eglot-current-server)))
        (unless (= 0 (vouch-restart)) (error "It does not restart"))
        (await "it is connected again"
          (and (eglot-current-server) (not (eq before (eglot-current-server))))))
      (hovered "Accepted")
      (search-backward "module:")
      (delete-region (point) (line-end-position))
      (insert "module: registry://" (getenv "REGISTRY") "/acme/unsigned:1")
      (await "what is refused shows again" (= 1 (length (errors))))
      (set-buffer-modified-p nil))))

(condition-case why
    (progn (session) (say "DONE") (kill-emacs 0))
  (error (say "%s" (error-message-string why)) (kill-emacs 1)))
;;; session.el ends here
