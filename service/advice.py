"""What to do about the reason that a study ended with, in a sentence; docs/operating.md, section 5, says the same."""

from typing import Final

from service.states import StudyState

_F, _N, _I = StudyState.FAILED, StudyState.NOT_ANALYSABLE, StudyState.IGNORED
_QUARANTINED: Final = "Send the quarantined files in its spool folder to the developers; then retry: it is measured."
_NOT_PROVEN: Final = "Find the object at the destination; see its proof in `spondyl doctor`; then retry."
#: (state, words that the reason contains, advice); the first that fits counts.
_ADVICE: Final = (
    (_F, "AE title not recognised", "Have this node's AE title registered at the destination; C-ECHO; then retry."),
    (_F, "does not take this object", "Have the destination accept one of the SR classes, or see its log; then retry."),
    (_F, "no report was sent; ", _QUARANTINED),
    (_F, "held back, ", _QUARANTINED),
    (_F, "not proven for ", _NOT_PROVEN),
    (_F, "does not commit to the object", _NOT_PROVEN),
    (_F, "request for storage commitment", _NOT_PROVEN),
    (_F, "answered status 0x", "Look into the destination's log: it says why it refuses. Then retry."),
    (_F, "with HTTP status ", "Look at its dicomweb_url and its log; ask it (the page, `spondyl echo`); then retry."),
    (_F, "no destination is called", "The destination was removed from the configuration: measure again."),
    (_F, " h: ", "It was down for too long. C-ECHO; then retry."),
    (_F, "the worker died", "Look for out of memory in the system's log; then retry."),
    (_F, "time limit", "Raise [queue] time_limit_s; then retry."),
    (_F, "memory limit", "Raise [queue] memory_mb where the machine has more; then retry."),
    (_F, "expected DICOM files, found none", "Its files are gone from the spool: have the study sent again."),
    (_F, "landmarks that were put are gone", "Put the landmarks again."),
    (_F, "landmarks that were put", "Put landmarks that fit, or send the image that is missing."),
    (_N, "NO_LANDMARKS", "Route SEG, RTSTRUCT or SR of this study as well, or put landmarks: it is measured then."),
    (_N, "NO_VERTEBRA_MEASURED", "Every vertebra has its own reason: see the findings."),
    (_N, "ONLY_OWN_REPORTS", "Nothing is to be done: it is kept, so that later studies are compared with it."),
    (_N, "FINDER_", "The image model gave nothing: its reason is explained in docs/finders.md."),
    (_I, "retracted (", "See what each destination did with its rejection note. Retry makes another report."),
    (_I, "own_report", "Only our own report came back: leave our series out of the PACS' forwarding rule."),
    (_I, "processing_off", "Processing is off for its source, and no rule takes it. Retry measures it all the same."),
    (_I, "spool_empty", "Its files are gone from the spool: have the study sent again."),
)
_OTHERWISE: Final = {
    _F: "Retry it. If it fails again, send the log lines of its key to the developers.",
    _N: "See the findings for what is missing.",
    _I: "Retry takes it back.",
}


def advice(state: StudyState, reason: str | None) -> str:
    """Return what to do; empty where nothing is to be done."""
    for its_state, words, text in _ADVICE:
        if state is its_state and words in (reason or ""):
            return text
    return _OTHERWISE.get(state, "")
