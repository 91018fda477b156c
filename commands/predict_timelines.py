"""The time lines of the command predict: which are finished, the work, the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from semanticmac.cache.failures import Failure
from semanticmac.commands.predict_results import PredictResults
from semanticmac.commands.timeline_request import TimelineRequest
from semanticmac.commands.ui.progress import Screen
from semanticmac.commands.ui.screen import KEPT, SAME_COMMAND, echo, err, set_resume_hint
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.timeline import Moment, Timeline
from semanticmac.inference import PredictError, Predictor
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.speech.inputs import ESTIMATED
from semanticmac.preprocess.speech.recognition import Recogniser, WhisperRecogniser
from semanticmac.preprocess.speech.transcript_files import Transcript
from semanticmac.run.folder import RunInfo
from semanticmac.timeline.files import TimelineFiles, VideoOnPage
from semanticmac.timeline.plan import TimelineJob, name_with_digest
from semanticmac.timeline.predict import (
    StartedTimeline,
    TimelineOptions,
    clip_of_moment,
    predict_timeline,
)
from semanticmac.timeline.unfinished import UnfinishedTimeline, timeline_key, video_of_unfinished


@dataclass(frozen=True)
class FinishedTimeline:
    """A time line and its files."""

    timeline: Timeline
    files: TimelineFiles


@dataclass(frozen=True)
class _Task:
    """One recording with all that its time line depends on."""

    job: TimelineJob
    options: TimelineOptions
    key: str
    files: TimelineFiles
    kept: Timeline | None  # that an earlier call finished


class Timelines:
    """All time lines of one command."""

    def __init__(
        self,
        request: TimelineRequest,
        jobs: Sequence[TimelineJob],
        run: Path,
        info: RunInfo,
        absent: Sequence[str],
        results: PredictResults | None,
    ) -> None:
        self._request, self._run, self._info = request, run, info
        self._absent, self._results = absent, results
        self._recogniser: Recogniser | None = None
        self.finished: list[FinishedTimeline] = []
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self._tasks = self._plan(jobs)

    @property
    def planned(self) -> int:
        """How many recordings get a time line."""
        return len(self._tasks)

    @property
    def waiting(self) -> int:
        """How many time lines are to be computed."""
        return sum(task.kept is None for task in self._tasks)

    @property
    def failed_utterances(self) -> int:
        """How many utterances have no prediction."""
        return sum(each.timeline.failed for each in self.finished)

    @property
    def remarks(self) -> list[str]:
        """The remarks on all finished recordings."""
        remarks: list[str] = []
        for each in self.finished:
            remarks += each.timeline.remarks
        return remarks

    def open_recogniser(self, device: str, screen: Screen) -> None:
        """Loads Whisper, if a time line that is to be computed needs it."""
        if self._request.asr is None:
            return
        if any(task.kept is None and self._needs_recogniser(task) for task in self._tasks):
            screen.line(f"loading Whisper {self._request.asr}")
            self._recogniser = WhisperRecogniser(self._request.asr, self._request.language, device)

    def run(self, predictor: Predictor | None, screen: Screen) -> None:
        """Computes what is not finished yet and writes the files of every time line."""
        for task in self._tasks:
            set_resume_hint(SAME_COMMAND, state=KEPT)
            timeline = task.kept
            if timeline is None:
                assert predictor is not None
                try:
                    timeline = self._predict(task, predictor, screen)
                except PredictError as error:
                    video = task.job.video
                    failure = Failure(video.name, str(video), str(error), cached=False)
                    self.failures.append(failure)
                    if self._results is not None:
                        self._results.add(Clip(video.stem, video), failure)
                    continue
            else:
                self._add_rows(task.job.video, timeline.moments)
            self._finish(task, timeline)

    def _plan(self, jobs: Sequence[TimelineJob]) -> list[_Task]:
        if not jobs:
            return []
        videos = [job.video for job in jobs]
        activity = self._request.open_activity()
        transcripts = self._request.find_transcripts(videos)
        turns = self._request.find_turns(videos)
        tasks: list[_Task] = []
        for job in jobs:
            transcript = transcripts.get(job.video)
            if transcript is None and job.text:
                transcript = Transcript((), job.text, ESTIMATED)
            if transcript is None and self._request.transcripts is not None:
                self.notes.append(f"no transcript for {job.video.name}")
            options = TimelineOptions(
                activity=activity, transcript=transcript, turns=tuple(turns.get(job.video, ()))
            )
            recognition = ""
            if transcript is None and self._request.asr is not None:
                recognition = f"{self._request.asr} {self._request.language}"
            key = timeline_key(
                self._run,
                job.video,
                options,
                without=self._absent,
                recognition=recognition,
                recording=job.recording,
            )
            files, kept = self._files(job)
            if kept is not None and kept.key != key:
                self.notes.append(f"{files.json} was of other options or another run: replaced")
                kept = None
            tasks.append(_Task(job, options, key, files, kept))
        finished = sum(task.kept is not None for task in tasks)
        if finished:
            echo(err, f"{finished} time lines are in {self._request.pages} already")
        return tasks

    def _files(self, job: TimelineJob) -> tuple[TimelineFiles, Timeline | None]:
        """The files of a recording, and the time line in them.

        Where the files of its name are of another recording, its name gets a digest.
        """
        files = TimelineFiles(self._request.pages, job.name)
        kept = files.read()
        owners: list[Path | None] = [video_of_unfinished(files.unfinished)]
        if kept is not None:
            owners.append(Path(kept.video))
        for owner in owners:
            if owner is not None and owner.absolute() != job.video.absolute():
                name = name_with_digest(job.name, job.video)
                self.notes.append(f"{files.json} is of {owner}: that of {job.video} is {name}.json")
                files = TimelineFiles(self._request.pages, name)
                return files, files.read()
        return files, kept

    def _needs_recogniser(self, task: _Task) -> bool:
        return task.options.transcript is None and task.job.recording is None

    def _predict(self, task: _Task, predictor: Predictor, screen: Screen) -> Timeline:
        job, options = task.job, task.options
        unfinished = self._unfinished(task)
        started = unfinished.started
        if started.moments:
            echo(err, f"{len(started.moments)} utterances of {job.video.name} are done already")
        if started.recording is None and job.recording is not None:
            started = StartedTimeline(job.recording)
            unfinished.add_recording(job.recording)
        if self._needs_recogniser(task):
            options = TimelineOptions(
                options.activity, options.limits, None, self._recogniser, options.turns
            )
        self._add_rows(job.video, started.moments)

        def on_moment(index: int, moment: Moment) -> None:
            unfinished.add_moment(index, moment)
            self._add_rows(job.video, [moment], index)

        return predict_timeline(
            job.video,
            predictor,
            options,
            without=self._absent,
            started=started,
            key=task.key,
            on_recording=unfinished.add_recording,
            on_moment=on_moment,
            on_progress=screen.progress,
        )

    def _add_rows(self, video: Path, moments: Sequence[Moment], first: int = 0) -> None:
        """Adds utterances to the file of --out; first: the number of the first one."""
        if self._results is None:
            return
        in_dialogue = self._info.model.clips_before > 0
        for index, moment in enumerate(moments, first):
            clip = clip_of_moment(video, index, moment)
            result: Prediction | Failure | None = moment.prediction
            if result is None:
                result = Failure(clip.clip_id, str(video), moment.remarks[0], cached=False)
            self._results.add(clip, result, in_dialogue)

    def _finish(self, task: _Task, timeline: Timeline) -> None:
        video = cast(VideoOnPage, self._request.video)
        for remark in task.files.write(timeline, video):
            self.notes.append(f"{task.job.video.name}: {remark}")
        self._unfinished(task).remove()
        self.finished.append(FinishedTimeline(timeline, task.files))

    def _unfinished(self, task: _Task) -> UnfinishedTimeline:
        return UnfinishedTimeline(task.files.unfinished, task.job.video, task.key, self._info.task)
